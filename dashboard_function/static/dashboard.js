/** The dashboard: signs in, then shows a loop and keeps what it shows up to date. */

import { actionsPanel } from "./actions.js";
import { ApiError } from "./api.js";
import { showDecisions } from "./decisions.js";
import { showDoctor } from "./doctor.js";
import { byId, element, fill } from "./dom.js";
import { explorationPanel } from "./exploration.js";
import { formatRecent } from "./format.js";
import { showFunnel } from "./funnel.js";
import { rewardsPanel } from "./rewards.js";
import { chosenLoop, offerLoops, remember, reveal, signIn, signOut } from "./session.js";
import { showSettings } from "./settings.js";
import { showStorage } from "./storage.js";
import { showSummary } from "./summary.js";
import { trainingPanel } from "./training.js";

const DECISIONS = "20";

/** Hours of a range, and after how many milliseconds it is worth another look. @type {Record<string, number>} */
const EVERY = { 0.25: 5_000, 1: 5_000, 24: 10_000, 168: 60_000, 720: 60_000 };

/** A curve of fewer points than this is better seen in a narrower range. */
const FEW = 4;

const range = byId("range", HTMLSelectElement);
const live = byId("live", HTMLInputElement);
const status = byId("status", HTMLElement);
const problem = byId("problem", HTMLElement);
const storage = byId("storage", HTMLElement);

/** @type {number | undefined} */
let next;
let fitted = remember("range") !== null;

const api = await signIn(chosenLoop("default"), (opened) => opened.personalizer("GET", "configurations/policy"));
const panels = [rewardsPanel(), actionsPanel(), explorationPanel(), showFunnel, trainingPanel()];
if (fitted) range.value = remember("range") ?? range.value;
range.addEventListener("change", () => {
  remember("range", range.value);
  void refresh();
});
live.addEventListener("change", () => void refresh());
document.addEventListener("visibilitychange", () => void refresh());
await showLoops();
reveal();
await refresh();

/** Who has a key of one loop only sees that one. */
async function showLoops() {
  offerLoops(api, await api.loops().catch(() => []));
}

/** Show everything anew, and again after a while if the page is looked at. */
async function refresh() {
  clearTimeout(next);
  try {
    await Promise.all([showHealth(), showMetrics(), showLatest(), showInForce(), showFindings()]);
    fill(status, `Updated ${formatRecent(new Date().toISOString())}`);
    fill(problem);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.unauthorized) signOut();
    fill(problem, element("span", { class: "notice error" }, error.message));
  }
  clearTimeout(next);
  if (live.checked && !document.hidden) next = setTimeout(() => void refresh(), EVERY[range.value] ?? 10_000);
}

async function showHealth() {
  showStorage(storage, await api.send("GET", "health"));
}

async function showMetrics() {
  const hours = range.value;
  const from = new Date(Date.now() - Number(hours) * 3_600_000).toISOString();
  /** @type {Metrics} */
  const metrics = await api.read("metrics", { from });
  const sparse = !fitted && metrics.rows.length < FEW;
  fitted = true;
  if (sparse) {
    range.value = "1";
    return showMetrics();
  }
  if (hours !== range.value) return; // another range was chosen meanwhile
  showSummary(byId("verdict", HTMLElement), byId("tiles", HTMLElement), metrics);
  for (const show of panels) show(metrics);
}

async function showLatest() {
  showDecisions(api, (await api.read("decisions", { top: DECISIONS })).decisions);
}

async function showInForce() {
  const [service, policy] = await Promise.all(["service", "policy"].map(
    (name) => api.personalizer("GET", `configurations/${name}`)));
  showSettings(service, policy);
}

async function showFindings() {
  showDoctor(await api.read("doctor"));
}
