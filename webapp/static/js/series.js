// Points into columns of numbers: in order, as rates, smoothed, stacked. Nothing here knows of pages.

// Ascending by `key`, one point for each place: after a restart examples are counted again from the checkpoint, and the newer point counts.
export function byPlace(points, key) {
  const known = new Map();
  for (const point of points) if (Number.isFinite(point[key])) known.set(point[key], known.has(point[key]) ? { ...known.get(point[key]), ...point } : point);
  return [...known.values()].sort((one, other) => one[key] - other[key]);
}

export function columns(points, series) {
  return series.map((one) => (one.rate ? rates(points, one.key) : points.map((point) => (Number.isFinite(point[one.key]) ? point[one.key] : null))));
}

// The change each second since the point before that has a value; none where the count began anew.
function rates(points, key) {
  let before = null;
  return points.map((point) => {
    if (!Number.isFinite(point[key])) return null;
    const seconds = before ? point.at_s - before.at_s : 0;
    const rate = seconds > 0 && point[key] >= before[key] ? (point[key] - before[key]) / seconds : null;
    before = point;
    return rate;
  });
}

// An exponential moving average that begins unbiased: `weight` of what was before.
export function smoothed(column, weight) {
  let sum = 0;
  let share = 0;
  return column.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return sum / share;
  });
}

// Each column on top of those after it, so that the first, drawn first, reaches to the whole.
export function stacked(all) {
  const sums = all.map((column) => [...column]);
  for (let place = sums.length - 2; place >= 0; place -= 1) {
    sums[place] = sums[place].map((value, at) => (value === null && sums[place + 1][at] === null ? null : (value ?? 0) + (sums[place + 1][at] ?? 0)));
  }
  return sums;
}
