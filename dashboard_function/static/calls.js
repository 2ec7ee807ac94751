/** The calls that a page makes, as they are sent and answered, newest first. */

import { element } from "./dom.js";
import { formatNumber } from "./format.js";

/** @typedef {import("./api.js").Call} Call */

const KEPT = 12;

export class CallLog {
  count = 0;
  /** @type {Call[]} */
  #latest = [];
  #changed = false;

  /** @param {HTMLElement} parent */
  constructor(parent) {
    this.parent = parent;
  }

  /** @param {Call} call */
  add(call) {
    this.count += 1;
    this.#latest = [call, ...this.#latest.slice(0, KEPT - 1)];
    this.#changed = true;
  }

  /** Show the latest, unless somebody is reading one. */
  show() {
    const read = this.parent.querySelector("details[open]") ?? this.parent.querySelector(":focus");
    if (read || !this.#changed) return;
    this.#changed = false;
    this.parent.replaceChildren(...this.#latest.map((call) => element("li", {},
      element("details", {},
        element("summary", { class: "mono" },
          element("b", {}, call.method), element("span", { class: "call-path" }, call.path),
          element("span", { class: `tag ${call.status && call.status < 400 ? "good" : "error"}` }, String(call.status || "no answer")),
          element("span", { class: "number" }, `${formatNumber(call.milliseconds)} ms`)),
        call.body !== undefined && part("Sent", call.body),
        call.answer !== null && part("Answered", call.answer)))));
  }
}

/** @param {string} name @param {unknown} body */
function part(name, body) {
  return element("div", {}, element("h3", {}, name), element("pre", { tabindex: "0" }, JSON.stringify(body, unlessSecret, 1)));
}

/** The keys of a loop that was just made are not for the screen. @param {string} name @param {unknown} value */
function unlessSecret(name, value) {
  return name === "keys" ? "not shown here" : value;
}
