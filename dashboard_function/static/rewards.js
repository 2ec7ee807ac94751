/** The learning curve: what the loop earns, against what else could have been chosen. */

import { Chart, table } from "./charts.js";
import { byId } from "./dom.js";
import { formatCount, formatNumber, formatReward, formatTime } from "./format.js";

const LINES = [
  { label: "The loop", colour: "online" },
  { label: "Always the first action", colour: "baseline", dash: [7, 4] },
  { label: "Random choice", colour: "random", dash: [2, 3] },
];

/** Estimates of fewer events are mostly noise: narrow rows are pooled until they have so many. */
const ENOUGH = 100;
const FEWEST_POINTS = 12;

/** Of what was hardly ever chosen much less is known: its estimate is taken over so many points. */
const TRAILING = 5;

/**
 * @typedef {object} Point
 * @property {string} start
 * @property {number} events
 * @property {number | null} mean
 * @property {number | null} low
 * @property {number | null} high
 * @property {number | null} baseline
 * @property {number | null} random
 */

/** @returns {(metrics: Metrics) => void} */
export function rewardsPanel() {
  const chart = new Chart(byId("rewards-chart", HTMLElement), {
    lines: LINES, format: formatReward, label: formatNumber, band: "online-band", height: 330,
    empty: "The curve begins when the reward wait time of the first events is over.",
  });
  const behind = byId("rewards-table", HTMLElement);
  return ({ rows, total }) => {
    const points = pooled(rows, Math.min(ENOUGH, total.learnedEvents / FEWEST_POINTS));
    chart.show({
      times: points.map(({ start }) => Date.parse(start) / 1000),
      values: [
        points.map(({ mean }) => mean),
        points.map(({ baseline }) => baseline),
        points.map(({ random }) => random),
      ],
      band: { low: points.map(({ low }) => low), high: points.map(({ high }) => high) },
    });
    table(behind, "Mean reward by time, newest first",
      ["From", "Events", "The loop", "95 % from", "to", "First action", "Random"],
      points.toReversed().map(({ start, events, mean, low, high, baseline, random }) => [
        formatTime(start), formatCount(events),
        ...[mean, low, high, baseline, random].map(formatReward),
      ]));
  };
}

/**
 * Return rows, neighbours put together until each has enough events.
 *
 * @param {Metrics["rows"]} rows
 * @param {number} enough
 * @returns {Point[]}
 */
function pooled(rows, enough) {
  /** @type {Metrics["rows"][]} */
  const groups = [];
  let events = enough;
  for (const row of rows) {
    if (events >= enough) {
      groups.push([]);
      events = 0;
    }
    groups.at(-1)?.push(row);
    events += row.learnedEvents;
  }
  return groups.map((group, at) => point(group, groups.slice(Math.max(0, at + 1 - TRAILING), at + 1).flat()));
}

/**
 * @param {Metrics["rows"]} rows
 * @param {Metrics["rows"]} trailing these and some before them
 * @returns {Point}
 */
function point(rows, trailing) {
  const events = count(rows);
  const mean = average(rows, (row) => row.online.reward);
  // Rows are strata: the variance of their common mean is the weighted sum of theirs.
  const halves = rows.map(({ online: { high, low }, learnedEvents }) =>
    (high === null || low === null ? 0 : ((high - low) / 2) * learnedEvents));
  const half = halves.some(Boolean) ? Math.hypot(...halves) / events : null;
  return {
    start: rows[0]?.start ?? "",
    events,
    mean,
    low: mean === null || half === null ? null : mean - half,
    high: mean === null || half === null ? null : mean + half,
    baseline: average(trailing, (row) => row.baseline.reward),
    random: average(trailing, (row) => row.baselineRandom.reward),
  };
}

/** @param {Row[]} rows */
function count(rows) {
  return rows.reduce((sum, row) => sum + row.learnedEvents, 0);
}

/** @param {Row[]} rows @param {(row: Row) => number} rewards */
function average(rows, rewards) {
  const events = count(rows);
  return events ? rows.reduce((sum, row) => sum + rewards(row), 0) / events : null;
}
