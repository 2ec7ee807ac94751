/** The demo: a coffee shop's visitors on a loop of its own, beside chance and a fixed choice. */

import { ApiError } from "./api.js";
import { Audience } from "./audience.js";
import { CallLog } from "./calls.js";
import { Chart } from "./charts.js";
import { byId, element, fill } from "./dom.js";
import { formatCount, formatPercent, NOTHING } from "./format.js";
import { chosenLoop, offerLoops, reveal, signIn, signOut } from "./session.js";
import { Simulation } from "./simulation.js";

/** Nobody else uses it: it is made, and given the settings it needs, without asking. */
const OWN_LOOP = "demo";
const TASTE_LASTS = 900;
const POINTS = 400;
const FRAME = 250;

const run = byId("run", HTMLButtonElement);
const changeTaste = byId("change", HTMLButtonElement);
const speed = byId("speed", HTMLSelectElement);
const message = byId("message", HTMLElement);

const calls = new CallLog(byId("calls", HTMLElement));
const api = await signIn(chosenLoop(OWN_LOOP), (opened) => opened.loops(), (call) => calls.add(call));
offerLoops(api, [...await api.loops(), OWN_LOOP]);
const plan = await (await fetch("static/demo.json")).json();
const audience = new Audience(plan);
const simulation = new Simulation(api, audience, failed);
const chart = new Chart(byId("curve", HTMLElement), {
  lines: [
    { label: simulation.loop.name, colour: "online" },
    { label: simulation.fixed.name, colour: "baseline", dash: [7, 4] },
    { label: simulation.random.name, colour: "random", dash: [2, 3] },
    { label: "Best possible", colour: "best", dash: [12, 4] },
  ],
  format: formatPercent, counted: true, height: 260,
  empty: "Let visitors come, and watch.",
});
let prepared = false;

run.addEventListener("click", () => void (simulation.running ? pause() : start()));
changeTaste.addEventListener("click", () => simulation.change());
speed.addEventListener("change", () => simulation.running && simulation.start(Number(speed.value)));
byId("consent-no", HTMLButtonElement).addEventListener("click", () => ask(false));
byId("consent-yes", HTMLButtonElement).addEventListener("click", () => void consent());
reveal();
show();
setInterval(() => simulation.running && show(), FRAME);

async function start() {
  try {
    prepared ||= api.loop === OWN_LOOP ? await prepare() : await asPlanned();
    ask(!prepared);
    fill(message);
    if (prepared) simulation.start(Number(speed.value));
  } catch (error) {
    failed(error);
  }
  show();
}

function pause() {
  simulation.stop();
  show();
}

/** Give the loop the settings that make learning visible within minutes; make it if it is not there. */
async function prepare() {
  await api.send("PUT", `loops/${api.loop}`, { serviceConfiguration: plan.settings, policy: plan.policy });
  return true;
}

/** Whether the loop has those settings. */
async function asPlanned() {
  const [service, policy] = await Promise.all(["service", "policy"].map(
    (name) => api.personalizer("GET", `configurations/${name}`)));
  return policy.arguments === plan.policy.arguments
    && Object.entries(plan.settings).every(([name, value]) => service[name] === value);
}

/** @param {boolean} asking */
function ask(asking) {
  byId("consent", HTMLElement).hidden = !asking;
  fill(byId("consent-text", HTMLElement),
    "A reward wait time of one second and a fast learning rate show learning within minutes. They would replace the "
    + `settings of the loop “${api.loop}”, and its model would be learned anew. Do not do this to a loop that others use.`);
  if (asking) byId("consent-yes", HTMLButtonElement).focus();
}

async function consent() {
  try {
    prepared = await prepare();
  } catch (error) {
    failed(error);
  }
  if (prepared) await start();
}

/** @param {unknown} error */
function failed(error) {
  if (!(error instanceof ApiError)) throw error;
  if (error.unauthorized) signOut();
  message.className = "notice error";
  fill(message, `${error.message} The visitors wait.`);
  show();
}

function show() {
  if (simulation.running && simulation.loop.visitors - (simulation.changes.at(-1) ?? 0) >= TASTE_LASTS) {
    simulation.change();
  }
  run.textContent = simulation.running ? "Pause" : simulation.loop.visitors ? "Go on" : "Let visitors come";
  changeTaste.disabled = !simulation.running;
  showVisitor();
  simulation.strategies.forEach(showStrategy);
  showCurve();
  showChances();
  calls.show();
  fill(byId("calls-about", HTMLElement), `${formatCount(calls.count)} so far; open one to see what it holds`);
}

function showVisitor() {
  const { visitor } = simulation;
  fill(byId("visitor", HTMLElement), visitor && `Latest visitor: ${visitor.time}, ${visitor.weather}, `
    + `${visitor.member ? "a member" : "not a member"}; would like ${visitor.favourite} best, which the loop is not told.`);
}

/** @param {import("./simulation.js").Strategy} strategy @param {number} index */
function showStrategy(strategy, index) {
  const { last } = strategy;
  fill(byId(`name-${index}`, HTMLElement), strategy.name);
  fill(byId(`strategy-${index}`, HTMLElement),
    element("p", { class: "score" }, formatPercent(strategy.recent)),
    element("p", { class: "muted small" }, `${formatCount(strategy.sold)} sold to ${formatCount(strategy.visitors)} visitors`),
    element("p", { class: "offer" }, ...(last ? [
      `Last offer: ${last.drink}`,
      element("span", { class: `tag ${last.bought ? "good" : ""}` }, last.bought ? "bought" : "not bought"),
    ] : [NOTHING])));
}

function showCurve() {
  const { visitors } = simulation.loop;
  const step = Math.max(1, Math.ceil(visitors / POINTS));
  const at = Array.from({ length: Math.floor(visitors / step) }, (_, index) => (index + 1) * step);
  const curve = (/** @type {import("./simulation.js").Strategy} */ strategy) =>
    at.map((visitor) => strategy.curve[visitor - 1] ?? null);
  chart.show({
    times: at,
    values: [
      curve(simulation.loop), curve(simulation.fixed), curve(simulation.random),
      at.map(() => audience.shop.liked),
    ],
    marks: simulation.changes,
  });
}

function showChances() {
  fill(byId("chances-head", HTMLElement), element("tr", {},
    element("th", { scope: "col" }, "Drink"),
    ...audience.times.map((time) => element("th", { scope: "col" }, time))));
  fill(byId("chances", HTMLElement), ...audience.drinks.map((drink) => element("tr", {},
    element("th", { scope: "row" }, drink),
    ...audience.times.map((time) => chance(time, drink)))));
}

/** @param {string} time @param {string} drink */
function chance(time, drink) {
  const probability = simulation.chances.get(time)?.get(drink);
  const liked = audience.favourites[time] === drink;
  const cell = element("td", { class: liked && "liked" },
    formatPercent(probability), liked && element("span", { role: "img", "aria-label": "liked best" }, " ♥"));
  cell.style.backgroundColor = `color-mix(in srgb, var(--online) ${Math.round((probability ?? 0) * 55)}%, transparent)`;
  return cell;
}
