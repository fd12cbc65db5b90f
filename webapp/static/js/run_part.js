// A run's page of slices, or of slots and tables: the newest report as the run's stream tells it, and a slice's curves.
import { chartTools, pointsOf } from "./chart_tools.js";
import { follow } from "./live.js";

const page = document.querySelector("[data-part]");
const summary = document.querySelector("[data-summary]");
const slice = document.querySelector("[data-slice-curves]");

if (slice) {
  const { Chart } = await import("./charts.js");
  let range = null;
  const zoom = (low, high) => {
    range = low === null ? null : [low, high];
    tools.zoomed(range !== null);
    for (const chart of charts) chart.set({ zoom: range });
  };
  const charts = [...slice.querySelectorAll(".chart")].map((element) => new Chart(element, undefined, { group: "slice", onZoom: zoom }));
  const tools = chartTools(() => charts, zoom);
  const answer = await fetch(slice.dataset.sliceCurves, { headers: { Accept: "application/json" } });
  if (answer.ok) {
    const points = pointsOf((await answer.json()).columns);
    for (const chart of charts) chart.draw(points);
  }
}

for (const select of document.querySelectorAll("[data-submits]")) select.addEventListener("change", () => select.form.requestSubmit());

if (page.dataset.ended === "no") {
  follow(
    page.dataset.live,
    (update) => {
      summary.innerHTML = update.html;
      if (update.report !== null) page.innerHTML = update.report;
      if (update.ended) window.location.reload();
    },
    () => page.dataset.poll,
  );
}
