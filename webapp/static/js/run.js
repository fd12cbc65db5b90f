// The run page: curves from the server, thinned, then new points as the run's stream tells them.
import { chartTools, pointsOf } from "./chart_tools.js";
import { Chart } from "./charts.js";
import { follow } from "./live.js";

const MAX_POINTS = 1000;
const page = document.querySelector("[data-run]");
const summary = document.querySelector("[data-summary]");
const charts = [...page.querySelectorAll(".chart")].map((element) => new Chart(element, undefined, { group: "run", onZoom: zoom }));
const tools = chartTools(() => charts, zoom);
let points = [];
let range = null;

// The curves of one task at a time; those of the whole model stay.
const choice = document.querySelector("[data-task-choice]");
choice?.addEventListener("change", () => {
  for (const panel of page.querySelectorAll("[data-task]")) panel.hidden = panel.dataset.task !== choice.value;
});

async function ask(query = "") {
  const answer = await fetch(`${page.dataset.curves}${query}`, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.json();
}

// A closer look has its own points from the server, which has more than the whole run's picture shows.
async function zoom(low, high) {
  range = low === null ? null : [low, high];
  tools.zoomed(range !== null);
  const mine = range;
  for (const chart of charts) chart.set({ zoom: range });
  if (range === null) {
    for (const chart of charts) chart.draw(points);
    return;
  }
  const key = tools.across() === "examples" ? "num_examples" : "at_s";
  const inside = points.filter((point) => point[key] >= low && point[key] <= high);
  const before = points.filter((point) => point[key] < low).at(-1);
  const after = points.find((point) => point[key] > high);
  const edges = [before ?? inside[0], after ?? inside.at(-1)];
  if (!edges[0] || !edges[1]) return;
  try {
    const { columns } = await ask(`?since=${edges[0].at_s}&until=${edges[1].at_s + 0.001}`);
    if (mine === range) for (const chart of charts) chart.draw(pointsOf(columns));
  } catch {
    // what is drawn already stays
  }
}

function take(update) {
  if (update.points.length) {
    points = points.concat(update.points);
    // Every other point of the older half goes when there are too many to draw.
    if (points.length > MAX_POINTS) points = points.filter((_, index) => index > MAX_POINTS / 2 || index % 2 === 0);
    if (range === null) for (const chart of charts) chart.draw(points);
  }
  summary.innerHTML = update.html;
  // The end takes the stop button away, which is the page's to say.
  if (update.ended && page.dataset.ended === "no") window.location.reload();
}

const first = await ask().catch(() => ({ after: 0, columns: {} }));
points = pointsOf(first.columns);
for (const chart of charts) chart.draw(points);
if (page.dataset.ended === "no") {
  follow(`${page.dataset.live}?after=${first.after}`, take, (after) => `${page.dataset.poll}?after=${after || first.after}`);
}
