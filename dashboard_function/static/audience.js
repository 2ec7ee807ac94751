/** Visitors of a coffee shop: what they like depends on the time of day, and changes. */

/**
 * What the shop sells and what its guests like, as `demo.json` says it.
 *
 * @typedef {object} Shop
 * @property {Record<string, Record<string, unknown>>} drinks features by name
 * @property {string[]} weathers
 * @property {number} members share of visitors
 * @property {Record<string, string>[]} favourites by time of day; one table for each taste
 * @property {number} liked chance of a sale of the favourite
 * @property {number} otherwise chance of a sale of any other drink
 */

/**
 * A visitor: what the shop sees, and what only the visitor knows.
 *
 * @typedef {object} Visitor
 * @property {string} time
 * @property {string} weather
 * @property {boolean} member
 * @property {string} favourite
 * @property {number} mood decides whether something is bought: the same for whatever is offered
 */

export class Audience {
  #taste = 0;

  /**
   * @param {Shop} shop
   * @param {() => number} random
   */
  constructor(shop, random = Math.random) {
    this.shop = shop;
    this.random = random;
    this.drinks = Object.keys(shop.drinks);
    this.times = Object.keys(shop.favourites[0] ?? {});
  }

  /** What is liked best now, by time of day. */
  get favourites() {
    return this.shop.favourites[this.#taste] ?? {};
  }

  /** From now on other drinks are liked. */
  change() {
    this.#taste = (this.#taste + 1) % this.shop.favourites.length;
  }

  /** @returns {Visitor} the next visitor */
  visitor() {
    const time = this.#any(this.times);
    return {
      time,
      weather: this.#any(this.shop.weathers),
      member: this.random() < this.shop.members,
      favourite: this.favourites[time] ?? "",
      mood: this.random(),
    };
  }

  /** Whether a visitor takes what is offered. @param {Visitor} visitor @param {string} drink */
  buys(visitor, drink) {
    return visitor.mood < (drink === visitor.favourite ? this.shop.liked : this.shop.otherwise);
  }

  /** A drink by chance. */
  anyDrink() {
    return this.#any(this.drinks);
  }

  /** @param {string[]} choices */
  #any(choices) {
    return choices[Math.floor(this.random() * choices.length)] ?? "";
  }
}

/** The context features of a Rank call for a visitor. @param {Visitor} visitor */
export function contextOf({ time, weather, member }) {
  return [{ time, weather }, { customer: { member } }];
}
