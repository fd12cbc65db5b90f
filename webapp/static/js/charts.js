// Line charts over time or examples: colours of the system's light or dark, a cursor for pointer and keyboard, numbers as a table.
/* global uPlot */
import { ACROSS, FORMATS } from "./number_formats.js";
import { fillTable } from "./chart_table.js";
import { byPlace, columns, smoothed, stacked } from "./series.js";

const COLOURS = {
  light: ["#0b7280", "#b4690e", "#6d53b8", "#c0392b", "#4d7c0f", "#475569", "#0369a1", "#a21caf", "#92400e", "#15803d"],
  dark: ["#4fc0cd", "#e5b95c", "#b3a1f0", "#f28b82", "#a3d163", "#a9b8c4", "#7cc4f5", "#e29af0", "#d9a066", "#7fd6a0"],
};
// Lines are told apart without colour too.
const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3], [4, 4], [12, 4]];
// What the ticks of a time may lie apart.
const SECONDS = [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400, 604800, 2419200];
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const charts = new Set();
dark.addEventListener("change", () => charts.forEach((chart) => chart.rebuild()));

function colourOf(place) {
  const colours = COLOURS[dark.matches ? "dark" : "light"];
  return colours[place % colours.length];
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Chart {
  // `element`: data-format, data-from="zero", data-stacked. `series`: [{key, label, rate}]; a rate is drawn as the change each second.
  // Points are objects with `at_s` (or what `across` wants) and the keys. Charts of one `group` share their cursor; `onZoom(low, high)`
  // hears of a stretch that was dragged over, and `onZoom(null)` of its end.
  constructor(element, series = JSON.parse(element.dataset.series || "[]"), { across = "time", group = null, onZoom = null } = {}) {
    this.element = element;
    this.legend = element.closest(".panel")?.querySelector("[data-legend]");
    this.title = element.dataset.title ?? element.closest(".panel")?.getAttribute("aria-label") ?? "Chart";
    this.format = FORMATS[element.dataset.format] ?? FORMATS.plain;
    this.fromZero = element.dataset.from === "zero";
    this.isStacked = element.dataset.stacked !== undefined;
    Object.assign(this, { series, group, onZoom, across: ACROSS[across], points: [], plot: null, zoom: null, smoothing: 0, isTable: false });
    this.takeKeys();
    charts.add(this);
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(element);
  }

  draw(points, series = this.series) {
    const same = series.length === this.series.length && series.every((one, i) => one.key === this.series[i].key);
    this.points = points;
    this.series = series;
    if (!points.some((point) => series.some((one) => Number.isFinite(point[one.key])))) return;
    if (this.isTable) fillTable(this);
    else if (!this.plot || !same) this.rebuild();
    else this.plot.setData(this.data(), this.zoom === null);
    this.describe(null);
  }

  // Changes `across` ("time", "elapsed", "examples"), `smoothing` (0 to 0.99), `isTable` or `zoom` ([low, high] or null).
  set(change) {
    if (change.across) change = { ...change, across: ACROSS[change.across] };
    const isOnlyZoom = Object.keys(change).every((name) => name === "zoom");
    Object.assign(this, change);
    if (!isOnlyZoom || !this.plot) this.rebuild();
    else if (this.zoom) this.plot.setScale("x", { min: this.zoom[0], max: this.zoom[1] });
    else this.plot.setData(this.plot.data, true);
  }

  // What is drawn: along the bottom, then the lines, smoothed ones after the faint ones as measured.
  data() {
    const shown = byPlace(this.points, this.across.key);
    this.shown = { across: shown.map((point) => point[this.across.key]), columns: columns(shown, this.series) };
    const drawn = this.isStacked ? stacked(this.shown.columns) : this.shown.columns;
    const lines = this.smoothing ? [...drawn, ...drawn.map((column) => smoothed(column, this.smoothing))] : drawn;
    return [this.shown.across, ...lines];
  }

  lines() {
    const many = this.series.length > 1;
    const line = (one, place, more) => ({ label: one.label, stroke: colourOf(place), width: 1.75, spanGaps: true, dash: many && !this.isStacked ? DASHES[place % DASHES.length] : [], points: { show: this.points.length < 3 }, ...more });
    if (this.isStacked) return this.series.map((one, place) => line(one, place, { fill: colourOf(place), width: 1 }));
    const measured = this.series.map((one, place) => line(one, place, this.smoothing ? { alpha: 0.3, width: 1, dash: [] } : {}));
    return this.smoothing ? [...measured, ...this.series.map((one, place) => line(one, place, {}))] : measured;
  }

  rebuild() {
    if (!this.points.length) return;
    this.plot?.destroy();
    this.plot = null;
    this.element.classList.toggle("is-table", this.isTable);
    if (this.isTable) {
      fillTable(this);
      return;
    }
    this.element.replaceChildren();
    const axis = { stroke: token("--ink-soft"), grid: { stroke: token("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const options = {
      ...this.size(),
      legend: { show: false },
      padding: [6, 8, 0, 0],
      cursor: { y: false, points: { size: 6 }, drag: { x: this.onZoom !== null, y: false, setScale: false }, sync: this.group ? { key: this.group, scales: ["x", null] } : undefined, bind: { dblclick: () => () => this.onZoom?.(null) } },
      scales: { x: { time: false }, y: { range: (_, low, high) => this.range(low, high) } },
      axes: [
        { ...axis, size: 24, space: 80, values: (plot, ticks) => this.across.ticks(ticks, plot.scales.x.max - plot.scales.x.min), ...(this.across.key === "num_examples" ? {} : { incrs: SECONDS }) },
        { ...axis, size: 62, values: (_, ticks) => ticks.map((tick) => this.format(tick)) },
      ],
      series: [{}, ...this.lines()],
      hooks: { setCursor: [(plot) => this.describe(plot.cursor.idx)], setSelect: [(plot) => this.selected(plot)] },
    };
    this.plot = new uPlot(options, this.data(), this.element);
    if (this.zoom) this.plot.setScale("x", { min: this.zoom[0], max: this.zoom[1] });
    this.describe(null);
  }

  selected(plot) {
    if (!plot.select.width) return;
    const [low, high] = [plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.onZoom?.(low, high);
  }

  range(low, high) {
    if (low === null || high === null || (low === 0 && high === 0)) return [0, 1];
    const pad = (high - low || Math.abs(high) || 1) * 0.08;
    const bottom = low - pad;
    return [this.fromZero || this.isStacked || (low >= 0 && bottom < 0) ? 0 : bottom, high + pad];
  }

  size() {
    return { width: Math.max(120, this.element.clientWidth), height: this.element.clientHeight || 190 };
  }

  // Left and right move the cursor, Home and End go to the ends, Escape takes it away; what lies there is said.
  takeKeys() {
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "group");
    this.element.setAttribute("aria-roledescription", "chart");
    this.element.setAttribute("aria-label", `${this.title}: arrow keys read values`);
    this.element.addEventListener("keydown", (event) => {
      if (!this.plot || event.target !== this.element) return;
      const last = this.shown.across.length - 1;
      const at = this.plot.cursor.idx ?? (event.key === "ArrowLeft" ? last + 1 : -1);
      const step = event.shiftKey ? 10 : 1;
      const to = { ArrowLeft: at - step, ArrowRight: at + step, Home: 0, End: last, Escape: null }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const place = to === null ? null : Math.min(last, Math.max(0, to));
      this.plot.setCursor(place === null ? { left: -10, top: -10 } : { left: this.plot.valToPos(this.shown.across[place], "x"), top: 1 });
      say(place === null ? "" : `${this.across.words(this.shown.across[place])}: ${this.readings(place).map(([one, value]) => `${one.label} ${value}`).join(", ")}`);
    });
  }

  // Each line's value at a place, or the last before it; its newest where there is no place.
  readings(place) {
    return this.series.map((one, index) => {
      const column = this.shown.columns[index];
      let at = place ?? column.length - 1;
      while (at > 0 && !Number.isFinite(column[at])) at -= 1;
      return [one, Number.isFinite(column[at]) ? this.format(column[at]) : "–"];
    });
  }

  describe(place) {
    if (!this.legend || !this.shown) return;
    const entries = this.readings(place).map(([one, value], index) => {
      const entry = document.createElement("span");
      const mark = this.isStacked ? markOf(colourOf(index), true, []) : lineMark(index, this.series.length);
      const number = document.createElement("b");
      number.textContent = value;
      entry.append(mark, one.label, number);
      return entry;
    });
    if (place !== null && place !== undefined) {
      const where = document.createElement("span");
      where.className = "where";
      where.textContent = this.across.words(this.shown.across[place]);
      entries.unshift(where);
    }
    this.legend.replaceChildren(...entries);
  }
}

// A piece of the line that the series at `place` of `num` has.
export function lineMark(place, num) {
  return markOf(colourOf(place), false, num > 1 ? DASHES[place % DASHES.length] : []);
}

function markOf(colour, isFilled, dash) {
  const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const given = { x1: 0, x2: 20, y1: 5, y2: 5, stroke: colour, "stroke-width": isFilled ? 9 : 2, "stroke-dasharray": dash.join(" ") };
  for (const [name, value] of Object.entries(given)) line.setAttribute(name, value);
  for (const [name, value] of Object.entries({ width: isFilled ? 10 : 20, height: 10, "aria-hidden": "true" })) mark.setAttribute(name, value);
  mark.append(line);
  return mark;
}

let voice = null;
function say(words) {
  if (!voice) {
    voice = document.createElement("p");
    voice.className = "visually-hidden";
    voice.setAttribute("aria-live", "polite");
    document.body.append(voice);
  }
  voice.textContent = words;
}
