/** How much is tried out, and how decided the decisions are. */

import { Chart, table } from "./charts.js";
import { byId, fill } from "./dom.js";
import { formatNumber, formatShare, formatTime } from "./format.js";

/** @returns {(metrics: Metrics) => void} */
export function explorationPanel() {
  const chart = new Chart(byId("exploration-chart", HTMLElement), {
    lines: [{ label: "Explored", colour: "online" }], format: formatShare, height: 250,
    empty: "Shown with the first learned events.",
  });
  const behind = byId("exploration-table", HTMLElement);
  return ({ rows, total }) => {
    chart.show({
      times: rows.map((row) => Date.parse(row.start) / 1000),
      values: [rows.map((row) => row.exploredShare)],
    });
    const most = Math.log2(Math.max(2, total.actionsPerEvent ?? 2));
    fill(byId("exploration-about", HTMLElement),
      total.decisionEntropy === null ? "" : `Decisions are spread by ${formatNumber(total.decisionEntropy)} bits; `
        + `equal chances would be ${formatNumber(most)} bits, no exploration 0.`);
    table(behind, "Exploration by time, newest first", ["From", "Explored", "Spread in bits"],
      rows.toReversed().map((row) => [
        formatTime(row.start), formatShare(row.exploredShare), formatNumber(row.decisionEntropy),
      ]));
  };
}
