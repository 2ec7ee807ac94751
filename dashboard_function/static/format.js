/** Numbers with units and times in the reader's zone and language. */

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const reward = new Intl.NumberFormat(undefined, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const signed = new Intl.NumberFormat(undefined, {
  minimumFractionDigits: 3, maximumFractionDigits: 3, signDisplay: "exceptZero",
});
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 0 });
const instant = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** What is shown where there is no number. */
export const NOTHING = "–";

/** @param {(value: number) => string} format @returns {(value: number | null | undefined) => string} */
function orNothing(format) {
  return (value) => (value === null || value === undefined || Number.isNaN(value) ? NOTHING : format(value));
}

export const formatCount = orNothing((value) => (value < 1e5 ? whole : compact).format(value));
export const formatNumber = orNothing((value) => fine.format(value));
export const formatReward = orNothing((value) => reward.format(value));
export const formatDifference = orNothing((value) => signed.format(value));
export const formatPercent = orNothing((value) => percent.format(value));
export const formatShare = orNothing((value) => share.format(value));

/** @param {string | null | undefined} iso @returns {string} a date and time in the reader's zone */
export function formatTime(iso) {
  return iso ? instant.format(new Date(iso)) : NOTHING;
}

/** @param {string} iso @returns {string} a time of today, or date and time of another day */
export function formatRecent(iso) {
  const time = new Date(iso);
  return time.toDateString() === new Date().toDateString() ? clock.format(time) : instant.format(time);
}

/** @type {[number, string][]} */
const UNITS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

/**
 * Return a length of time in its largest whole unit: `90 seconds`, `10 minutes`, `2 days`.
 *
 * @param {number | null | undefined} seconds
 */
export function formatDuration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds > 0 && seconds < 10 && seconds % 1) return `${fine.format(seconds)} seconds`;
  const rounded = Math.round(seconds);
  const [size, name] = UNITS.find(([size]) => rounded >= 2 * size || rounded === size) ?? [1, "second"];
  const count = Math.round(rounded / size);
  return `${whole.format(count)} ${name}${count === 1 ? "" : "s"}`;
}

/** The same for an axis: `90 s`, `10 min`. @param {number} seconds */
export function formatSeconds(seconds) {
  if (seconds < 120) return `${fine.format(seconds)} s`;
  return seconds < 7200 ? `${fine.format(seconds / 60)} min` : `${fine.format(seconds / 3600)} h`;
}

/**
 * Return the seconds of an ISO 8601 duration such as `PT10M` or `P1DT2H`.
 *
 * @param {string} text
 * @returns {number | null} null if it is not one
 */
export function parseDuration(text) {
  const found = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(text);
  if (!found) return null;
  const [days, hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  return (days ?? 0) * 86400 + (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0);
}
