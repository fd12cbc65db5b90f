// Line charts over time, coloured by the stylesheet's tokens and redrawn when the system turns light or dark.
/* global uPlot */

const SERIES_COLOURS = {
  light: ["#0b7280", "#b4690e", "#6d53b8", "#c0392b", "#4d7c0f", "#475569"],
  dark: ["#4fc0cd", "#e5b95c", "#b3a1f0", "#f28b82", "#a3d163", "#a9b8c4"],
};
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const charts = new Set();
dark.addEventListener("change", () => charts.forEach((chart) => chart.rebuild()));

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const FORMATS = {
  plain: (value) => plain.format(value),
  whole: (value) => (Number.isInteger(value) ? value.toLocaleString("en") : ""),
  count: (value) => compact.format(value),
  share: (value) => `${plain.format(value * 100)}%`,
  seconds: (value) => `${plain.format(value)} s`,
  bytes: (value) => {
    const units = ["B", "kB", "MB", "GB", "TB"];
    let place = 0;
    let size = value;
    while (Math.abs(size) >= 1000 && place < units.length - 1) {
      size /= 1000;
      place += 1;
    }
    return `${Number(size.toPrecision(3))} ${units[place]}`;
  },
};

const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const seconds = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

function times(_, ticks) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : 60;
  const span = ticks.length ? ticks[ticks.length - 1] - ticks[0] : 0;
  const format = span > 86400 ? days : step < 60 ? seconds : minutes;
  return ticks.map((tick) => format.format(tick * 1000));
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export class Chart {
  // `element` carries data-format; `series` is [{key, label}]; points are objects with `at_s` and the keys.
  constructor(element, series = JSON.parse(element.dataset.series || "[]")) {
    this.element = element;
    this.legend = element.closest(".panel")?.querySelector("[data-legend]");
    this.format = FORMATS[element.dataset.format] ?? FORMATS.plain;
    this.fromZero = element.dataset.from === "zero";
    this.series = series;
    this.points = [];
    this.plot = null;
    charts.add(this);
    new ResizeObserver(() => this.resize()).observe(element);
  }

  draw(points, series = this.series) {
    const same = series.length === this.series.length && series.every((one, i) => one.key === this.series[i].key);
    this.points = points;
    this.series = series;
    const isEmpty = !points.some((point) => series.some((one) => Number.isFinite(point[one.key])));
    if (isEmpty) return;
    if (!this.plot || !same) this.rebuild();
    else this.plot.setData(this.data());
    this.describe(points.length - 1);
  }

  data() {
    const column = (key) => this.points.map((point) => (Number.isFinite(point[key]) ? point[key] : null));
    return [this.points.map((point) => point.at_s), ...this.series.map((one) => column(one.key))];
  }

  rebuild() {
    if (!this.points.length) return;
    this.plot?.destroy();
    this.element.replaceChildren();
    const colours = SERIES_COLOURS[dark.matches ? "dark" : "light"];
    this.colours = this.series.map((_, index) => colours[index % colours.length]);
    const axis = { stroke: token("--ink-soft"), grid: { stroke: token("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    this.plot = new uPlot(
      {
        ...this.size(),
        legend: { show: false },
        padding: [6, 8, 0, 0],
        cursor: { y: false, points: { size: 6 }, drag: { setScale: false } },
        scales: { y: { range: (_, low, high) => this.range(low, high) } },
        axes: [
          { ...axis, size: 24, space: 80, values: times },
          { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => this.format(tick)) },
        ],
        series: [{}, ...this.series.map((one, index) => ({ label: one.label, stroke: this.colours[index], width: 1.75, spanGaps: true, points: { show: this.points.length < 3 } }))],
        hooks: { setCursor: [(plot) => this.describe(plot.cursor.idx ?? this.points.length - 1)] },
      },
      this.data(),
      this.element,
    );
    this.describe(this.points.length - 1);
  }

  range(low, high) {
    if (low === null || high === null) return [0, 1];
    const pad = (high - low || Math.abs(high) || 1) * 0.08;
    const bottom = low - pad;
    return [this.fromZero || (low >= 0 && bottom < 0) ? 0 : bottom, high + pad];
  }

  size() {
    return { width: Math.max(120, this.element.clientWidth), height: this.element.clientHeight || 190 };
  }

  resize() {
    if (this.plot) this.plot.setSize(this.size());
  }

  // The legend names each line and its value under the pointer, or else its newest.
  describe(index) {
    if (!this.legend || !this.colours) return;
    this.legend.replaceChildren(
      ...this.series.map((one, place) => {
        const entry = document.createElement("span");
        const mark = document.createElement("i");
        mark.style.background = this.colours[place];
        const value = document.createElement("b");
        const number = this.points[index]?.[one.key];
        value.textContent = Number.isFinite(number) ? this.format(number) : "–";
        entry.append(mark, one.label, value);
        return entry;
      }),
    );
  }
}
