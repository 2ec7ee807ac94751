/** When it was trained, how far behind that is, and which models decided. */

import { Chart, table } from "./charts.js";
import { bar, byId, element, fill } from "./dom.js";
import { formatCount, formatDuration, formatRecent, formatSeconds, formatShare, formatTime, NOTHING } from "./format.js";

const MODELS = 6;

/** @returns {(metrics: Metrics) => void} */
export function trainingPanel() {
  const chart = new Chart(byId("training-chart", HTMLElement), {
    lines: [{ label: "Longest lag", colour: "online" }], format: formatDuration, label: formatSeconds, height: 140,
    empty: "Shown after the first training; it runs when the reward wait time of an event is over.",
  });
  const behind = byId("training-table", HTMLElement);
  return (metrics) => {
    const { rows, total, training } = metrics;
    const trained = rows.filter((row) => row.training.steps > 0);
    chart.show({
      times: trained.map((row) => Date.parse(row.start) / 1000),
      values: [trained.map((row) => row.training.mostLagSeconds)],
    });
    fill(byId("training-about", HTMLElement), training.lastTraining
      ? `Last training ${formatRecent(training.lastTraining)}; `
        + `${formatCount(total.training.learnedEvents)} events learned in ${formatDuration(total.training.seconds)} of work.`
      : "Not trained yet: the first model comes after the first reward wait time.");
    table(behind, "Training by time, newest first", ["From", "Events learned", "Work", "Longest lag"],
      trained.toReversed().map((row) => [
        formatTime(row.start), formatCount(row.training.learnedEvents),
        formatDuration(row.training.seconds), formatDuration(row.training.mostLagSeconds),
      ]));
    fill(byId("models", HTMLElement), ...models(metrics));
  };
}

/** @param {Metrics} metrics */
function models({ total, training }) {
  const decided = new Map(total.models.map(({ version, events }) => [version, events]));
  const served = training.model?.version;
  const versions = [...new Set([...(served ? [served] : []), ...decided.keys()])]
    .toSorted().toReversed().slice(0, MODELS);
  return versions.map((version) => {
    const events = decided.get(version) ?? 0;
    return element("tr", {},
      element("th", { scope: "row" },
        learnedUntil(version), " ",
        version === served && element("span", { class: "tag good" }, "in use")),
      element("td", { class: "bar-cell" }, bar(total.totalEvents ? events / total.totalEvents : 0)),
      element("td", { class: "right" }, formatCount(events)),
      element("td", { class: "right" }, total.totalEvents ? formatShare(events / total.totalEvents) : NOTHING));
  });
}

/** A version begins with the time up to which it has learned. @param {string} version */
function learnedUntil(version) {
  const found = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z/.exec(version);
  if (!found) return version || "no model";
  const [, year, month, day, hour, minute, second] = found;
  return formatRecent(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
