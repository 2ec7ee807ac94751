/** What became of the events, and what went astray on the way. */

import { bar, byId, element, fill } from "./dom.js";
import { formatCount, formatDuration, formatShare } from "./format.js";

/** @type {[keyof Row & ("duplicateEvents" | "lateRewards" | "danglingRewards" | "lateEvents"), string, string][]} */
const ASTRAY = [
  ["lateRewards", "late rewards", "came after the reward wait time and were not counted"],
  ["danglingRewards", "rewards without an event", "their event id was never ranked"],
  ["duplicateEvents", "repeated events", "their event id had been ranked before; the first counts"],
  ["lateEvents", "events read too late", "appeared after their time had been learned; this must stay 0"],
];

/** @param {Metrics} metrics */
export function showFunnel({ total }) {
  const activated = total.totalEvents - total.nonActivatedEvents;
  fill(
    byId("funnel", HTMLElement),
    step("Ranked", total.totalEvents, total.totalEvents, "their reward wait time is over"),
    step("Activated", activated, total.totalEvents, "all but deferred ones that were never shown"),
    step("Rewarded", total.observedRewards, total.totalEvents,
      `the other ${formatCount(total.defaultedRewards)} count with the default reward`),
    step("Learned", total.learnedEvents, total.totalEvents, "with a reward or with the default"),
  );
  const astray = ASTRAY.filter(([name]) => total[name] > 0);
  fill(
    byId("astray", HTMLElement),
    ...astray.map(([name, label, about]) => element("li", {},
      element("b", { class: "number" }, formatCount(total[name])), ` ${label}: ${about}.`)),
    !astray.length && element("li", {}, "No repeated, late or lost events."),
    total.rewardDelay.count > 0 && element("li", {},
      `Half of the rewards came within ${formatDuration(total.rewardDelay.p50Seconds)}, `
      + `95 % within ${formatDuration(total.rewardDelay.p95Seconds)}.`),
  );
}

/** @param {string} name @param {number} count @param {number} whole @param {string} about */
function step(name, count, whole, about) {
  return element("li", {},
    element("span", { class: "step-name" }, name),
    bar(whole ? count / whole : 0),
    element("span", { class: "number right" }, element("b", {}, formatCount(count)),
      whole ? ` ${formatShare(count / whole)}` : ""),
    element("small", { class: "muted" }, about));
}
