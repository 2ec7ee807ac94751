/** The latest decisions; each opens and tells why. */

import { bar, byId, element, fill } from "./dom.js";
import { showExplanation } from "./explanation.js";
import { formatRecent, formatReward, formatShare } from "./format.js";

/** @typedef {import("./api.js").Api} Api */

const WORDS = { open: "waiting for rewards", learned: "learned", notActivated: "not activated" };

/**
 * @param {Api} api
 * @param {Decision[]} decisions
 */
export function showDecisions(api, decisions) {
  byId("decisions-empty", HTMLElement).hidden = decisions.length > 0;
  byId("decisions-table", HTMLElement).hidden = decisions.length === 0;
  fill(byId("decisions", HTMLElement), ...decisions.map((decision) => element("tr", {},
    element("th", { scope: "row" },
      element("button", {
        type: "button", class: "link mono event", id: idOf(decision.eventId),
        title: decision.eventId, onclick: () => explain(api, decision),
      }, decision.eventId)),
    element("td", { class: "wide-only" }, formatRecent(decision.time)),
    element("td", {}, decision.rewardActionId),
    element("td", { class: "bar-cell wide-only" }, bar(decision.probability)),
    element("td", { class: "right" }, formatShare(decision.probability)),
    element("td", { class: "right" }, formatReward(decision.reward)),
    element("td", { class: "wide-only" }, element("span", {
      class: `tag ${decision.status === "learned" ? "good" : ""}`,
    }, WORDS[decision.status])))));
}

/** @param {string} eventId */
function idOf(eventId) {
  return `decision-${eventId}`;
}

/** @param {Api} api @param {Decision} decision */
async function explain(api, decision) {
  const dialog = byId("decision", HTMLDialogElement);
  const body = byId("decision-body", HTMLElement);
  fill(byId("decision-title", HTMLElement), `Decision ${decision.eventId}`);
  body.replaceChildren(element("p", { class: "muted" }, "Loading…"));
  dialog.addEventListener("close", () => document.getElementById(idOf(decision.eventId))?.focus(), { once: true });
  dialog.showModal();
  try {
    showExplanation(body, await api.read(
      `decisions/${encodeURIComponent(decision.eventId)}`, { time: decision.time }));
  } catch (error) {
    body.replaceChildren(element("p", { class: "notice error" }, String(error instanceof Error ? error.message : error)));
  }
}
