/** The same visitors, served three ways: by the loop, by chance, and always with the same. */

import { contextOf } from "./audience.js";

/** @typedef {import("./audience.js").Audience} Audience */
/** @typedef {import("./audience.js").Visitor} Visitor */
/** @typedef {import("./api.js").Api} Api */

const WINDOW = 100;
const AT_ONCE = 8;

/** One way of choosing, and how well it has gone. */
export class Strategy {
  sold = 0;
  visitors = 0;
  /** @type {boolean[]} */
  #recent = [];
  /** @type {(number | null)[]} */
  curve = [];
  /** @type {{drink: string, bought: boolean} | null} */
  last = null;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
  }

  /** Share of the latest visitors who bought, or null without any. */
  get recent() {
    const { length } = this.#recent;
    return length ? this.#recent.filter(Boolean).length / length : null;
  }

  /** @param {string} drink @param {boolean} bought */
  served(drink, bought) {
    this.visitors += 1;
    this.sold += Number(bought);
    this.last = { drink, bought };
    this.#recent.push(bought);
    if (this.#recent.length > WINDOW) this.#recent.shift();
    this.curve.push(this.recent);
  }
}

export class Simulation {
  /** Chances that the loop gave last, by time of day and drink. @type {Map<string, Map<string, number>>} */
  chances = new Map();
  /** At which visitors tastes changed. @type {number[]} */
  changes = [];
  /** @type {Visitor | null} */
  visitor = null;
  #busy = 0;
  /** @type {number | undefined} */
  #timer;

  /**
   * @param {Api} api
   * @param {Audience} audience
   * @param {(error: unknown) => void} failed is told when a call failed; the simulation has stopped
   */
  constructor(api, audience, failed) {
    this.api = api;
    this.audience = audience;
    this.failed = failed;
    this.loop = new Strategy("The loop");
    this.random = new Strategy("Random choice");
    this.fixed = new Strategy(`Always ${audience.drinks[0]}`);
    this.actions = Object.entries(audience.shop.drinks).map(([id, about]) => ({ id, features: [about] }));
  }

  get strategies() {
    return [this.loop, this.random, this.fixed];
  }

  get running() {
    return this.#timer !== undefined;
  }

  /** Let visitors come. @param {number} perSecond */
  start(perSecond) {
    this.stop();
    this.#timer = setInterval(() => {
      if (this.#busy < AT_ONCE) void this.#serve();
    }, 1000 / perSecond);
  }

  stop() {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Change what visitors like. */
  change() {
    this.audience.change();
    this.changes.push(this.loop.visitors);
  }

  async #serve() {
    this.#busy += 1;
    try {
      await this.visit();
    } catch (error) {
      this.stop();
      this.failed(error);
    } finally {
      this.#busy -= 1;
    }
  }

  /** One visitor: Rank, an offer, Reward. */
  async visit() {
    const visitor = this.audience.visitor();
    const ranked = await this.api.personalizer("POST", "rank", {
      contextFeatures: contextOf(visitor), actions: this.actions,
    });
    const bought = this.audience.buys(visitor, ranked.rewardActionId);
    await this.api.personalizer("POST", `events/${ranked.eventId}/reward`, { value: Number(bought) });
    this.visitor = visitor;
    this.chances.set(visitor.time, new Map(ranked.ranking.map(
      (/** @type {{id: string, probability: number}} */ { id, probability }) => [id, probability])));
    this.loop.served(ranked.rewardActionId, bought);
    for (const [strategy, drink] of /** @type {[Strategy, string][]} */ ([
      [this.random, this.audience.anyDrink()],
      [this.fixed, this.audience.drinks[0] ?? ""],
    ])) {
      strategy.served(drink, this.audience.buys(visitor, drink));
    }
  }
}
