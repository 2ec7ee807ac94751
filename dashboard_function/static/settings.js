/** The settings in force, each with what it means for this loop. */

import { byId, element, fill } from "./dom.js";
import { formatDuration, formatNumber, formatShare, formatTime, parseDuration } from "./format.js";

const AGGREGATIONS = /** @type {Record<string, string>} */ ({
  earliest: "the first one counts", sum: "they are added up", average: "their mean counts",
  median: "their median counts", min: "the smallest counts", max: "the largest counts",
});

/** Arguments worth a sentence; others are shown as they are. @type {[RegExp, (value: string) => string][]} */
const ARGUMENTS = [
  [/^(?:-l|--learning_rate)$/, (value) => `learning rate ${value}: how far one event moves the model`],
  [/^--power_t$/, (value) => (Number(value) === 0
    ? "power_t 0: late events move the model as much as early ones, so that it follows change"
    : `power_t ${value}: later events move the model less`)],
  [/^--cb_type$/, (value) => `cost estimate ${value}: how actions that were not chosen are judged`],
  [/^(?:-q|--quadratic)$/, (value) => (value === "::"
    ? "interactions ::, every feature is also combined with every other"
    : `interactions ${value}: features of these two namespaces are combined`)],
  [/^--interactions$/, (value) => `interactions ${value}: features of these namespaces are combined`],
  [/^--epsilon$/, (value) => `epsilon ${value}: the same as the exploration above`],
  [/^(?:-b|--bit_precision)$/, (value) => `${value} bits: room for 2 to the power of ${value} weights`],
  [/^--(softmax|squarecb|bag|cover|first|synthcover)$/, () => ""],
];

/**
 * @param {ServiceConfiguration} service
 * @param {Policy} policy
 */
export function showSettings(service, policy) {
  const wait = formatDuration(parseDuration(service.rewardWaitTime));
  fill(
    byId("settings", HTMLElement),
    entry("Reward wait time", wait,
      `A reward counts if it comes within ${wait} of its Rank. Only then is the event learned.`),
    entry("Default reward", formatNumber(service.defaultReward), "What an event counts for when no reward came in time."),
    entry("Reward aggregation", service.rewardAggregation,
      `Where several rewards come for one event, ${AGGREGATIONS[service.rewardAggregation] ?? "they become one"}.`),
    entry("Exploration", formatShare(service.explorationPercentage),
      `Of 100 decisions about ${formatNumber(service.explorationPercentage * 100)} are drawn from all actions, `
      + "so that the loop finds out what it does not know yet."),
    entry("New models", `every ${formatDuration(parseDuration(service.modelExportFrequency))}`,
      "How often Rank gets a newly trained model."),
    entry("Logs are kept", service.logRetentionDays < 0 ? "for ever" : `${service.logRetentionDays} days`,
      "Events, metrics and what can be learned again."),
    entry("Learning mode", service.learningMode, service.learningMode === "Online"
      ? "Rank answers with the loop's own choice."
      : "Rank answers with your first action, while the loop learns beside it."),
    entry("Learning settings", element("code", {}, policy.arguments), argumentsInWords(policy.arguments), "wide"),
    entry("Last changed", formatTime(service.lastConfigurationEditDate), ""),
  );
}

/** @param {string} text */
function argumentsInWords(text) {
  const parts = text.trim().split(/\s+/);
  const said = parts.flatMap((part, at) => {
    const [name, joined] = part.split("=", 2);
    const found = ARGUMENTS.find(([pattern]) => pattern.test(name ?? ""));
    return found ? [found[1](joined ?? parts[at + 1] ?? "")] : [];
  });
  const sentence = said.filter(Boolean).join("; ");
  return sentence && `${sentence[0]?.toUpperCase()}${sentence.slice(1)}.`;
}

/** @param {string} name @param {string | Node} value @param {string} about @param {string} [kind] */
function entry(name, value, about, kind) {
  return element("div", { class: kind },
    element("dt", {}, name),
    element("dd", {}, element("b", {}, value), about && element("p", { class: "muted small" }, about)));
}
