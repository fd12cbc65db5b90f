// How charts write numbers and moments: with their unit, short enough for an axis.
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const plain = { format: (value) => (value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(2) : digits.format(value)) };

function size(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let place = 0;
  let left = value;
  while (Math.abs(left) >= 1000 && place < units.length - 1) {
    left /= 1000;
    place += 1;
  }
  return `${Number(left.toPrecision(3))} ${units[place]}`;
}

export const FORMATS = {
  plain: (value) => plain.format(value),
  whole: (value) => (Number.isInteger(value) ? value.toLocaleString("en") : ""),
  count: (value) => compact.format(value),
  rate: (value) => `${compact.format(value)}/s`,
  share: (value) => `${plain.format(value * 100)}%`,
  seconds: (value) => `${plain.format(value)} s`,
  milliseconds: (value) => `${plain.format(value)} ms`,
  bytes: size,
};

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const exactClock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const moment = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

function times(ticks, span) {
  const format = span > 86400 ? day : span < 600 ? exactClock : clock;
  return ticks.map((tick) => format.format(tick * 1000));
}

function elapsed(value) {
  for (const [limit, unit, word] of [[120, 1, "s"], [7200, 60, "min"], [172800, 3600, "h"]]) {
    if (value < limit) return `${plain.format(value / unit)} ${word}`;
  }
  return `${plain.format(value / 86400)} d`;
}

// What may lie along the bottom: the points' key, its ticks, and one place in words.
export const ACROSS = {
  time: { key: "at_s", ticks: times, words: (value) => moment.format(value * 1000), name: "Time" },
  elapsed: { key: "elapsed_s", ticks: (ticks) => ticks.map(elapsed), words: (value) => `after ${elapsed(value)}`, name: "Since the start" },
  examples: { key: "num_examples", ticks: (ticks) => ticks.map((tick) => compact.format(tick)), words: (value) => `${value.toLocaleString("en")} examples`, name: "Examples learned" },
};
