// Runs compared: one chart for each metric, one line for each run, in the same colour everywhere.
import { chartTools, pointsOf } from "./chart_tools.js";
import { Chart, lineMark } from "./charts.js";

const page = document.querySelector("[data-compare]");
const answer = await fetch(page.dataset.compare, { headers: { Accept: "application/json" } });
const { runs } = await answer.json();
const columns = page.querySelectorAll(".chart");
let range = null;

const charts = [...columns].map((element) => {
  const { key } = element.dataset;
  const series = runs.map((run) => ({ key: `${key}@${run.id}`, label: run.label }));
  return new Chart(element, series, { across: "elapsed", group: "compare", onZoom: zoom });
});
const tools = chartTools(() => charts, zoom);

// A run's points, its values by metric and run, over the time since its own beginning.
const points = runs.flatMap((run) => {
  const own = pointsOf(run.columns);
  return own.map((point) => {
    const values = Object.entries(point).filter(([key]) => key !== "at_s" && key !== "num_examples");
    return { at_s: point.at_s, num_examples: point.num_examples, elapsed_s: point.at_s - own[0].at_s, ...Object.fromEntries(values.map(([key, value]) => [`${key}@${run.id}`, value])) };
  });
});
for (const chart of charts) chart.draw(points);

function zoom(low, high) {
  range = low === null ? null : [low, high];
  tools.zoomed(range !== null);
  for (const chart of charts) chart.set({ zoom: range });
}

function mark() {
  for (const [place, run] of runs.entries()) {
    for (const spot of document.querySelectorAll(`[data-run-mark="${run.id}"]`)) spot.replaceChildren(lineMark(place, runs.length));
  }
}
mark();
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", mark);
