/** Charts over time, drawn by uPlot: colours of the page's scheme, a legend that reads values out. */

import { element, fill } from "./dom.js";

/**
 * One line, or one layer of stacked bars.
 *
 * @typedef {object} Line
 * @property {string} label
 * @property {string} colour name of a colour in style.css, without the dashes
 * @property {number[]} [dash]
 */

/**
 * What a chart shows: a value (or null) for each time and line, and optionally a band.
 *
 * @typedef {object} Shown
 * @property {number[]} times unix seconds, ascending
 * @property {(number | null)[][]} values one list for each line
 * @property {{low: (number | null)[], high: (number | null)[]}} [band] around the first line
 * @property {number[]} [marks] times at which something happened
 */

/**
 * @typedef {object} Look
 * @property {Line[]} lines
 * @property {(value: number | null | undefined) => string} format of values
 * @property {(value: number) => string} [label] of the axis, where values are too long for it
 * @property {string} empty what to say, and to do, while there is nothing to draw
 * @property {boolean} [stacked] as bars that add up to the whole
 * @property {number} [height] in pixels
 * @property {string} [band] name of the band's colour
 * @property {boolean} [counted] the horizontal axis counts, it is not time
 */

const scheme = matchMedia("(prefers-color-scheme: dark)");

export class Chart {
  /** @type {uPlot | null} */
  #plot = null;
  /** @type {Shown} */
  #shown = { times: [], values: [] };

  /**
   * @param {HTMLElement} parent
   * @param {Look} look
   */
  constructor(parent, look) {
    this.look = look;
    this.canvas = element("div", { class: "chart", "aria-hidden": "true" });
    this.legend = element("ul", { class: "legend" });
    this.empty = element("p", { class: "empty" }, look.empty);
    parent.replaceChildren(this.empty, this.canvas, this.legend);
    new ResizeObserver(() => this.#resize()).observe(this.canvas);
    scheme.addEventListener("change", () => this.#rebuild());
  }

  /** @param {Shown} shown */
  show(shown) {
    this.#shown = shown;
    this.empty.hidden = shown.times.length > 0;
    this.canvas.hidden = this.legend.hidden = !this.empty.hidden;
    if (this.#plot) {
      this.#plot.setData(this.#data());
    } else {
      this.#rebuild();
    }
    this.#readOut(null);
  }

  /** Change the lines. @param {Line[]} lines */
  relabel(lines) {
    if (JSON.stringify(lines) === JSON.stringify(this.look.lines)) return;
    this.look.lines = lines;
    this.#plot?.destroy();
    this.#plot = null;
  }

  #resize() {
    const width = this.canvas.clientWidth;
    if (this.#plot && width > 0 && width !== this.#plot.width) {
      this.#plot.setSize({ width, height: this.look.height ?? 240 });
    } else if (!this.#plot) {
      this.#rebuild();
    }
  }

  #rebuild() {
    this.#plot?.destroy();
    this.#plot = null;
    if (!this.canvas.clientWidth || this.#shown.values.length !== this.look.lines.length) return;
    this.#plot = new uPlot(this.#options(), this.#data(), this.canvas);
  }

  /** @returns {uPlot.Options} */
  #options() {
    const axis = { stroke: colour("muted"), grid: { stroke: colour("grid"), width: 1 }, ticks: { show: false } };
    const { look } = this;
    const font = "12px system-ui, sans-serif";
    return {
      width: this.canvas.clientWidth,
      height: look.height ?? 240,
      padding: [10, 18, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: !look.counted, range: look.counted ? counted : spread },
        y: { range: (_, low, high) => this.#range(low, high) },
      },
      axes: [
        { ...axis, font, grid: { show: false }, size: 30, space: 84, values: look.counted ? counts : timeLabels },
        { ...axis, font, size: 54, values: (_, splits) => splits.map(look.label ?? look.format) },
      ],
      series: [{}, ...this.#series()],
      bands: look.band ? [{ series: [3, 2], fill: colour(look.band) }] : [],
      hooks: {
        draw: [(plot) => this.#mark(plot)],
        setCursor: [(plot) => this.#readOut(plot.cursor.idx ?? null)],
      },
    };
  }

  /** @returns {uPlot.Series[]} the first line, its band's edges, the other lines */
  #series() {
    const { lines, stacked, band } = this.look;
    const series = lines.map((line) => {
      const stroke = colour(line.colour);
      if (!stacked) return { stroke, width: 2, dash: line.dash ?? [], points: { size: 5 } };
      const paths = uPlot.paths.bars?.({ size: [0.86, 48], radius: 0 });
      return { fill: stroke, width: 0, points: { show: false }, ...(paths ? { paths } : {}) };
    });
    const edge = { stroke: "transparent", width: 0, points: { show: false } };
    if (band) series.splice(1, 0, /** @type {any} */ (edge), /** @type {any} */ (edge));
    return series;
  }

  /** @returns {uPlot.AlignedData} */
  #data() {
    const { times, values, band } = this.#shown;
    /** @type {(number | null)[][]} */
    const columns = this.look.stacked ? stack(values) : [...values];
    if (this.look.band) columns.splice(1, 0, band?.low ?? [], band?.high ?? []);
    return /** @type {uPlot.AlignedData} */ ([times, ...columns]);
  }

  /** @param {number | null} low @param {number | null} high @returns {[number, number]} */
  #range(low, high) {
    if (low === null || high === null) return [0, 1];
    if (this.look.stacked) return [0, high || 1];
    const bottom = Math.min(low, 0);
    const margin = (high - bottom || 1) * 0.08;
    return [bottom && bottom - margin, high + margin];
  }

  /** Draw the marks. @param {uPlot} plot */
  #mark({ ctx, bbox, valToPos }) {
    ctx.save();
    ctx.strokeStyle = colour("muted");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const time of this.#shown.marks ?? []) {
      const x = Math.round(valToPos(time, "x", true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  /** Show values in the legend: those under the cursor, else the last. @param {number | null} index */
  #readOut(index) {
    const at = index ?? this.#shown.times.length - 1;
    fill(
      this.legend,
      ...this.look.lines.map((line, number) => {
        const swatch = element("span", { class: "swatch" });
        swatch.style.background = `var(--${line.colour})`;
        const value = this.#shown.values[number]?.[at];
        return element("li", {}, swatch, line.label, element("b", { class: "number" }, this.look.format(value)));
      }),
    );
  }
}

/**
 * A table that says what a chart draws, for those who do not see it.
 *
 * @param {HTMLElement} parent
 * @param {string[]} head
 * @param {string[][]} rows
 * @param {string} caption
 */
export function table(parent, caption, head, rows) {
  const label = (/** @type {string} */ text, /** @type {number} */ index) =>
    element("th", { scope: "col", class: index ? "right" : null }, text);
  fill(
    parent,
    element("table", {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...head.map(label))),
      element("tbody", {}, ...rows.map((row) => element("tr", {},
        ...row.map((text, index) => (index
          ? element("td", { class: "right" }, text)
          : element("th", { scope: "row" }, text))))))),
  );
}

/** @param {string} name */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/**
 * Return running sums from the last line up, so that the first, drawn first, is the tallest.
 *
 * @param {(number | null)[][]} values
 */
function stack(values) {
  const sums = values.map((line) => [...line]);
  for (let number = sums.length - 2; number >= 0; number -= 1) {
    const above = sums[number + 1] ?? [];
    sums[number] = (sums[number] ?? []).map((value, at) => (value ?? 0) + (above[at] ?? 0));
  }
  return sums;
}

/** A time axis as long as the data, never of no length. @type {uPlot.Range.Function} */
function spread(_, low, high) {
  if (low === null || high === null) return [Date.now() / 1000 - 3600, Date.now() / 1000];
  const margin = Math.max((high - low) * 0.02, 1);
  return [low - margin, high + margin];
}

/** @type {uPlot.Range.Function} */
function counted(_, low, high) {
  return [low ?? 0, Math.max(high ?? 0, (low ?? 0) + 100)];
}

/** @type {uPlot.Axis.DynamicValues} */
function counts(_, splits) {
  return splits.map((value) => value.toLocaleString());
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** @type {uPlot.Axis.DynamicValues} */
function timeLabels(_, splits, _axis, _space, step) {
  return splits.map((value) => {
    const time = new Date(value * 1000);
    const midnight = time.getHours() === 0 && time.getMinutes() === 0;
    if (step >= 86400 || midnight) return day.format(time);
    return (step < 60 ? seconds : clock).format(time);
  });
}
