/** Who is signed in: the key is kept for the browser session only, the loop in the page's address. */

import { Api, ApiError } from "./api.js";
import { byId, element } from "./dom.js";

const KEY = "open-personalizer-key";

/** @typedef {import("./api.js").Call} Call */

/**
 * Return the API once a key that opens it is known: the session's own, or one that is typed in.
 *
 * @param {string} loop
 * @param {(api: Api) => Promise<unknown>} needed what the key has to be good for
 * @param {(call: Call) => void} [observe]
 * @returns {Promise<Api>}
 */
export async function signIn(loop, needed, observe) {
  const refused = (/** @type {string} */ key) => refusal(() => needed(new Api(key, loop)));
  byId("sign-out", HTMLButtonElement).addEventListener("click", () => signOut());
  const kept = sessionStorage.getItem(KEY);
  const said = kept === null ? "" : await refused(kept);
  const key = kept !== null && !said ? kept : await ask(refused, said);
  sessionStorage.setItem(KEY, key);
  return new Api(key, loop, observe);
}

/** Show what is only there for those who are signed in; call it when that can be used. */
export function reveal() {
  for (const part of document.querySelectorAll("[data-signed-in]")) part.removeAttribute("hidden");
}

/** Forget the key and everything that was fetched with it. */
export function signOut() {
  sessionStorage.removeItem(KEY);
  location.reload();
}

/**
 * Show a field for the key until one is given that opens the app.
 *
 * @param {(key: string) => Promise<string>} refused
 * @param {string} said about a key that was kept
 * @returns {Promise<string>}
 */
function ask(refused, said) {
  const field = element("input", {
    id: "key", type: "password", autocomplete: "off", spellcheck: "false", "aria-describedby": "key-message",
  });
  const message = element("p", { id: "key-message", role: "alert" });
  const button = element("button", { class: "primary", type: "submit" }, "Sign in");
  const form = element("form", { novalidate: true },
    element("label", { for: "key" }, "Key"), field, message, button);
  const section = element("section", { class: "card sign-in", "aria-labelledby": "sign-in-title" },
    element("h2", { id: "sign-in-title" }, "Open this app with its key"),
    element("p", { class: "muted small" }, "It is one of the keys that your application sends with Rank and Reward. "
      + "It stays in this tab until you sign out or close it, and goes nowhere but to this app."),
    form);
  byId("main", HTMLElement).prepend(section);
  message.textContent = said;
  field.focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const key = field.value.trim();
      button.disabled = true;
      message.textContent = key ? await refused(key) : "Type a key first.";
      button.disabled = false;
      field.setAttribute("aria-invalid", String(Boolean(message.textContent)));
      if (message.textContent) {
        field.focus();
        return;
      }
      section.remove();
      resolve(key);
    });
  });
}

/** Return why a call is refused, or nothing if it is not. @param {() => Promise<unknown>} call */
async function refusal(call) {
  try {
    await call();
    return "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.unauthorized ? "This key does not open the app." : error.message;
  }
}

/** The loop that the page's address names. @param {string} otherwise */
export function chosenLoop(otherwise) {
  return remember("loop") || otherwise;
}

/**
 * Offer loops to choose from; another loop is another page.
 *
 * @param {Api} api
 * @param {string[]} names
 */
export function offerLoops(api, names) {
  const select = byId("loop", HTMLSelectElement);
  const all = [...new Set([...names, api.loop])].toSorted();
  select.replaceChildren(...all.map((name) => element("option", { selected: name === api.loop }, name)));
  select.addEventListener("change", () => {
    remember("loop", select.value);
    location.reload();
  });
}

/**
 * Read something from the page's address or write it there; never a secret.
 *
 * @param {string} name
 * @param {string} [value] to write
 * @returns {string | null}
 */
export function remember(name, value) {
  const address = new URL(location.href);
  if (value !== undefined) {
    address.searchParams.set(name, value);
    history.replaceState(null, "", address);
  }
  return address.searchParams.get(name);
}
