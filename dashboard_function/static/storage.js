/** One line on storage: whether it is away, since when, and what that means. */

import { element, fill } from "./dom.js";
import { formatCount, formatRecent } from "./format.js";

/**
 * Show it; nothing while storage answers and every decision was stored.
 *
 * @param {HTMLElement} place
 * @param {Health} health of the instance that answered
 */
export function showStorage(place, health) {
  const lines = [];
  if (!health.ready) {
    const since = health.storageSince ? ` since ${formatRecent(health.storageSince)}` : "";
    lines.push(`Storage has not answered${since}: calls are refused (503) until it does. No acknowledged call is lost.`);
  }
  if (health.unloggedDecisions) {
    lines.push(`Decisions that were answered without being stored, and are not learned: ${formatCount(health.unloggedDecisions)}.`);
  }
  place.hidden = !lines.length;
  fill(place, ...lines.map((line) => element("span", { class: `notice ${health.ready ? "warning" : "error"}` }, line)));
}
