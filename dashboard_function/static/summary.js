/** The answer to the first question: does it earn more than choosing without it would? */

import { byId, element, fill } from "./dom.js";
import {
  formatCount, formatDifference, formatDuration, formatReward, formatShare,
} from "./format.js";

/**
 * @param {HTMLElement} verdict
 * @param {HTMLElement} tiles
 * @param {Metrics} metrics
 */
export function showSummary(verdict, tiles, metrics) {
  const { total } = metrics;
  const said = judge(total);
  byId("first-steps", HTMLElement).hidden = total.totalEvents > 0;
  verdict.className = `notice ${said.kind}`;
  fill(verdict, said.text);
  const { online, baseline, baselineRandom } = total;
  const model = metrics.training.model;
  fill(
    tiles,
    tile("Mean reward", formatReward(online.mean), interval(online)),
    tile("Against the first action", formatDifference(minus(online, baseline)), against(baseline)),
    tile("Against random choice", formatDifference(minus(online, baselineRandom)), against(baselineRandom)),
    tile("Explored", formatShare(total.exploredShare), "of decisions not the likeliest action"),
    tile("Events", formatCount(total.totalEvents), `${formatCount(total.observedRewards)} with a reward`),
    tile("Model", model ? formatCount(model.learnedEvents) : "none yet",
      model ? `events learned, published ${age(model.publishedAt)} ago` : "all actions are equally likely"),
  );
}

/**
 * Return in words what can be said about a loop's rewards.
 *
 * @param {Row} total
 * @returns {{kind: string, text: string}}
 */
function judge(total) {
  const { online, baseline, baselineRandom } = total;
  if (!total.totalEvents) {
    return { kind: "", text: "No event has been learned in this time." };
  }
  if (!total.observedRewards) {
    return { kind: "warning", text: "Events were ranked, but not one Reward has reached them. Without rewards nothing is learned." };
  }
  const random = compare(online, baselineRandom);
  const first = compare(online, baseline);
  const text = `The loop earns ${formatReward(online.mean)} per decision: `
    + `${words(random)} random choice (${formatReward(baselineRandom.mean)}) `
    + `and ${words(first)} always the first action (${formatReward(baseline.mean)}).`;
  const kind = random === "better" && first === "better" ? "good" : random === "worse" || first === "worse" ? "warning" : "";
  return { kind, text };
}

/**
 * Compare two means by their 95 % intervals, as if they were independent: the estimates are of the
 * same events, so the difference is surer than this.
 *
 * @param {Mean} ours
 * @param {Mean} theirs
 * @returns {"better" | "worse" | "open"}
 */
function compare(ours, theirs) {
  const difference = minus(ours, theirs);
  if (difference === null || ours.high === null || ours.low === null || theirs.high === null || theirs.low === null) {
    return "open";
  }
  const uncertainty = Math.hypot((ours.high - ours.low) / 2, (theirs.high - theirs.low) / 2);
  if (Math.abs(difference) <= uncertainty) return "open";
  return difference > 0 ? "better" : "worse";
}

/** @param {"better" | "worse" | "open"} compared */
function words(compared) {
  return { better: "more than", worse: "less than", open: "not distinguishable from" }[compared];
}

/** @param {Mean} ours @param {Mean} theirs */
function minus(ours, theirs) {
  return ours.mean === null || theirs.mean === null ? null : ours.mean - theirs.mean;
}

/** @param {Mean} mean */
function interval(mean) {
  return mean.low === null ? "per decision" : `95 %: ${formatReward(mean.low)} to ${formatReward(mean.high)}`;
}

/** @param {Mean} mean */
function against(mean) {
  return `which would earn ${formatReward(mean.mean)}`;
}

/** @param {string} time */
function age(time) {
  return formatDuration(Math.max(0, Math.round((Date.now() - Date.parse(time)) / 1000)));
}

/** @param {string} name @param {string} value @param {string} about */
function tile(name, value, about) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, about)));
}
