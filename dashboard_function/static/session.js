/** Who is signed in: the key is kept for the browser session only, the loop in the page's address. */

import { Api, ApiError } from "./api.js";
import { byId, element, fill } from "./dom.js";

const KEY = "open-personalizer-key";

/** @typedef {import("./api.js").Call} Call */

/**
 * Return the API once a key that opens it is known: the session's own, or one that is typed in.
 *
 * @param {string} loop
 * @param {(call: Call) => void} [observe]
 * @returns {Promise<Api>}
 */
export async function signIn(loop, observe) {
  byId("sign-out", HTMLButtonElement).addEventListener("click", () => signOut());
  const kept = sessionStorage.getItem(KEY);
  const refusal = kept === null ? "" : await refused(kept);
  const key = kept !== null && !refusal ? kept : await ask(refusal);
  sessionStorage.setItem(KEY, key);
  for (const part of document.querySelectorAll("[data-signed-in]")) part.removeAttribute("hidden");
  return new Api(key, loop, observe);
}

/** Forget the key and everything that was fetched with it. */
export function signOut() {
  sessionStorage.removeItem(KEY);
  location.reload();
}

/**
 * Show the field for the key until one is given that opens the app.
 *
 * @param {string} refusal what to say about a key that was kept
 * @returns {Promise<string>}
 */
function ask(refusal) {
  const section = byId("sign-in", HTMLElement);
  const form = byId("sign-in-form", HTMLFormElement);
  const field = byId("key", HTMLInputElement);
  const button = byId("sign-in-button", HTMLButtonElement);
  section.hidden = false;
  say(refusal);
  field.focus();
  return new Promise((resolve) => {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const key = field.value.trim();
      button.disabled = true;
      const message = key ? await refused(key) : "Type a key first.";
      button.disabled = false;
      say(message);
      field.setAttribute("aria-invalid", String(Boolean(message)));
      if (message) {
        field.focus();
        return;
      }
      field.value = "";
      section.hidden = true;
      resolve(key);
    });
  });
}

/** @param {string} message */
function say(message) {
  fill(byId("sign-in-message", HTMLElement), message && element("span", {}, message));
}

/**
 * Return why a key does not open the app, or nothing if it does.
 *
 * @param {string} key
 */
async function refused(key) {
  try {
    await new Api(key, "default").personalizer("GET", "configurations/policy");
    return "";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return error.unauthorized ? "This key does not open the app." : error.message;
  }
}

/** The loop that the page's address names. */
export function chosenLoop(otherwise = "default") {
  return remember("loop") || otherwise;
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
