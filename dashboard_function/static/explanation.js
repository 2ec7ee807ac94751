/** Why an action was chosen: chances, and what each feature added to the predicted reward. */

import { bar, element } from "./dom.js";
import { formatDifference, formatDuration, formatNumber, formatReward, formatShare, formatTime } from "./format.js";

const SHOWN = 12;

/** Namespaces that features have without their caller's doing, and what they hold. @type {[RegExp, string][]} */
const NAMESPACES = [
  [/^FromUrl\./, "context."],
  [/^i\.id$/, "action id"],
  [/^i\.constant$/, "any action"],
  [/^j\./, "action."],
  [/^constant$/, "any decision"],
];

/** @typedef {NonNullable<ExplainedDecision["explanation"]>["actions"][number]} ExplainedAction */

/**
 * @param {HTMLElement} parent
 * @param {ExplainedDecision} decision
 */
export function showExplanation(parent, decision) {
  parent.replaceChildren(
    element("p", {}, story(decision)),
    element("h3", {}, "Chances of the actions"),
    chances(decision),
    ...why(decision),
    element("h3", {}, "What was known"),
    element("pre", { tabindex: "0", "aria-label": "Context features" }, JSON.stringify(decision.context, null, 1)),
  );
}

/** @param {ExplainedDecision} decision */
function story(decision) {
  const { rewardActionId: chosen, probability } = decision;
  const likeliest = decision.actions.reduce((best, action) => (action.probability > best.probability ? action : best));
  const rewards = decision.rewards.map(({ value, delaySeconds }) =>
    `${formatNumber(value)} after ${formatDuration(delaySeconds)}`).join(", ");
  const outcome = {
    open: rewards ? `Rewards so far: ${rewards}.` : "It still waits for a reward.",
    learned: rewards ? `Rewarded with ${rewards}; learned with ${formatReward(decision.reward)}.`
      : `No reward came; learned with the default, ${formatReward(decision.reward)}.`,
    notActivated: "It was deferred and never activated, therefore not learned.",
  }[decision.status];
  const explored = likeliest.probability > probability ? `, to explore: ${likeliest.id} was likelier` : "";
  return `${formatTime(decision.time)}: ${chosen} was drawn with a chance of ${formatShare(probability)}${explored}. ${outcome}`;
}

/** @param {ExplainedDecision} decision */
function chances({ actions, explanation, rewardActionId }) {
  const scores = new Map(explanation?.actions.map(({ id, score }) => [id, score]));
  return figures(
    "Chances of the actions", ["Action", "", "Chance", "Predicted reward"],
    actions.map(({ id, probability }) => [
      [id, " ", id === rewardActionId && element("span", { class: "tag info" }, "chosen")],
      [bar(probability, id === rewardActionId ? "" : "quiet")],
      [formatShare(probability)],
      [formatReward(scores.get(id))],
    ]));
}

/** What each feature added, for the chosen action first. @param {ExplainedDecision} decision */
function why({ explanation, rewardActionId }) {
  if (!explanation) {
    return [
      element("h3", {}, `Why ${rewardActionId}`),
      element("p", { class: "empty" }, "There was no model yet: all actions were equally likely."),
    ];
  }
  const reasons = element("div", {});
  const choice = element("select", { "aria-label": "Action to explain" },
    ...explanation.actions.map(({ id }) => element("option", { selected: id === rewardActionId }, id)));
  const show = () => {
    const action = explanation.actions.find(({ id }) => id === choice.value);
    reasons.replaceChildren(...(action ? contributions(action) : []));
  };
  choice.addEventListener("change", show);
  show();
  return [
    element("div", { class: "controls controls-of-why" }, element("h3", {}, "Why this prediction for"), choice),
    explanation.isDecidingModel ? "" : element("p", { class: "notice" },
      "The model that decided is no longer kept; this is what the present one says."),
    reasons,
  ];
}

/** @param {ExplainedAction} action */
function contributions({ score, features }) {
  const most = Math.max(...features.map((feature) => Math.abs(feature.score)), 1e-9);
  const rest = features.slice(SHOWN);
  const row = (/** @type {string} */ name, /** @type {string} */ value, /** @type {number} */ added) => [
    [name], [value], [bar(Math.abs(added) / most, added < 0 ? "against" : "for")], [formatDifference(added)],
  ];
  return [
    element("p", { class: "muted small" },
      `The predicted reward, ${formatReward(score)}, is the sum of what each feature adds; × marks features that add something together.`),
    figures("What each feature adds", ["Feature", "Value", "", "Adds"], [
      ...features.slice(0, SHOWN).map((feature) => row(
        feature.name.split("^").map(readable).join(" × "), feature.value.split("^").join(" × "), feature.score)),
      ...(rest.length ? [row(`${rest.length} others`, "", rest.reduce((sum, feature) => sum + feature.score, 0))] : []),
    ]),
  ];
}

/** @param {string} name */
function readable(name) {
  const found = NAMESPACES.find(([pattern]) => pattern.test(name));
  return found ? name.replace(found[0], found[1]) : name;
}

/**
 * A table of figures: the first column names the row, an unnamed one holds bars, the last is a number.
 *
 * @param {string} name
 * @param {string[]} head
 * @param {(string | Node | false)[][][]} rows
 */
function figures(name, head, rows) {
  const kind = (/** @type {number} */ at) => {
    if (!head[at]) return "bar-cell";
    return at > head.indexOf("") ? "right" : null;
  };
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": name }, element("table", {},
    element("thead", {}, element("tr", {}, ...head.map((text, at) => element("th", { scope: "col", class: kind(at) },
      text || element("span", { class: "visually-hidden" }, "Bar"))))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell, at) => (at
      ? element("td", { class: kind(at) }, ...cell)
      : element("th", { scope: "row" }, ...cell))))))));
}
