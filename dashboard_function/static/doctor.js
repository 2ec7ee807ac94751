/** What keeps the loop from learning, or from learning well, and what to do about it. */

import { byId, element, fill } from "./dom.js";
import { formatCount, formatRecent } from "./format.js";

const WORDS = { error: "does not learn", warning: "learns badly", info: "worth knowing" };

/** @param {Doctor} doctor */
export function showDoctor(doctor) {
  const seen = `${formatCount(doctor.events)} events, checked ${formatRecent(doctor.checkedAt)}`;
  fill(byId("doctor-about", HTMLElement), seen);
  fill(
    byId("findings", HTMLElement),
    ...doctor.findings.map(finding),
    !doctor.findings.length && element("li", { class: "finding good" },
      element("span", { class: "tag good" }, "healthy"),
      element("p", {}, "Nothing was found that keeps this loop from learning.")),
  );
}

/** @param {Finding} found */
function finding(found) {
  return element("li", { class: `finding ${found.severity}`, "data-code": found.code },
    element("span", { class: `tag ${found.severity}` }, WORDS[found.severity]),
    element("h3", {}, found.title),
    element("p", {}, found.evidence),
    element("p", { class: "muted" }, found.cause),
    element("p", {}, element("b", {}, "What to do: "), found.remedy));
}
