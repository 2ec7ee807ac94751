/** Which actions are shown, and what they earn: the most shown ones and the rest. */

import { Chart, table } from "./charts.js";
import { bar, byId, element, fill } from "./dom.js";
import { formatCount, formatReward, formatShare, formatTime } from "./format.js";

const TOP = 7;

/** @returns {(metrics: Metrics) => void} */
export function actionsPanel() {
  const chart = new Chart(byId("actions-chart", HTMLElement), {
    lines: [], format: formatShare, stacked: true, height: 200,
    empty: "Shown with the first learned events.",
  });
  const list = byId("actions-table", HTMLElement);
  return ({ rows, total }) => {
    const top = total.actions.top.slice(0, TOP);
    const shown = rows.filter((row) => shows(row) > 0);
    const rest = top.length < total.actions.top.length || total.actions.rest.shows > 0;
    chart.relabel([
      ...top.map((action, index) => ({ label: action.id, colour: `action-${index + 1}` })),
      ...(rest ? [{ label: "all others", colour: "action-rest" }] : []),
    ]);
    const byAction = top.map(({ id }) => shown.map(
      (row) => (row.actions.top.find((action) => action.id === id)?.shows ?? 0) / shows(row)));
    const others = shown.map((_, at) => 1 - byAction.reduce((sum, line) => sum + (line[at] ?? 0), 0));
    const values = rest ? [...byAction, others] : byAction;
    chart.show({ times: shown.map((row) => Date.parse(row.start) / 1000), values });
    table(byId("actions-by-time", HTMLElement), "Share of shows by time, newest first",
      ["From", ...chart.look.lines.map(({ label }) => label)],
      shown.map((row, at) => [formatTime(row.start), ...values.map((line) => formatShare(line[at]))]).toReversed());
    fill(list, ...rowsOf(total, top));
  };
}

/** @param {Row} row */
function shows(row) {
  return row.actions.top.reduce((sum, action) => sum + action.shows, 0) + row.actions.rest.shows;
}

/** @param {Row} total @param {ActionShows[]} top */
function rowsOf(total, top) {
  const all = shows(total) || 1;
  const others = all - top.reduce((sum, action) => sum + action.shows, 0);
  const row = (/** @type {string} */ name, /** @type {number} */ count, /** @type {string} */ mean, /** @type {string} */ colour) => {
    const drawn = bar(count / all);
    if (drawn.firstElementChild instanceof HTMLElement) drawn.firstElementChild.style.background = `var(--${colour})`;
    return element("tr", {},
      element("th", { scope: "row" }, name),
      element("td", { class: "bar-cell" }, drawn),
      element("td", { class: "right" }, formatShare(count / all)),
      element("td", { class: "right" }, formatCount(count)),
      element("td", { class: "right" }, mean));
  };
  return [
    ...top.map((action, index) => row(action.id, action.shows, formatReward(action.mean), `action-${index + 1}`)),
    others > 0 && total.totalEvents > 0 && row("all others", others, "", "action-rest"),
  ];
}
