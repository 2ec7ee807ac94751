/** Building elements: text is always set as text, never parsed as markup. */

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Return a new element. Attributes that are null or false are left out, true ones are empty.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} attributes
 *   those named `on...` are event listeners
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      made.addEventListener(name.slice(2), value);
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, value === true ? "" : String(value));
    }
  }
  made.append(...children.filter(isNode));
  return made;
}

/**
 * Replace what an element holds, only if that changes something: what a reader has selected or
 * opened stays. What has the focus keeps it, if it has an id.
 *
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  const next = document.createElement(parent.tagName);
  next.append(...children.filter(isNode));
  if (parent.innerHTML === next.innerHTML) return;
  const focused = parent.contains(document.activeElement) ? document.activeElement?.id : "";
  parent.replaceChildren(...next.childNodes);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/**
 * Return the element with an id that the page's own markup has.
 *
 * @template {HTMLElement} Type
 * @param {string} id
 * @param {new () => Type} type
 * @returns {Type}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

/**
 * A bar whose length is a share of its track.
 *
 * @param {number} share between 0 and 1
 * @param {string} kind a class that gives it its colour
 */
export function bar(share, kind = "") {
  const filled = element("span", { class: `bar-fill ${kind}` });
  filled.style.inlineSize = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, filled);
}

/** @param {Child} child @returns {child is Node | string} */
function isNode(child) {
  return child !== null && child !== undefined && child !== false;
}
