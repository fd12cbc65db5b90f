// The run page: curves and summary, as the run's stream tells them.
import { Chart } from "./charts.js";
import { follow } from "./live.js";

const MAX_POINTS = 4000;
const page = document.querySelector("[data-run]");
const summary = document.querySelector("[data-summary]");
const report = document.querySelector("[data-report]");
const charts = [...page.querySelectorAll(".chart")].map((element) => new Chart(element));
let points = [];

// The curves of one task at a time; those of the whole model stay.
const choice = document.querySelector("[data-task-choice]");
choice?.addEventListener("change", () => {
  for (const panel of page.querySelectorAll("[data-task]")) panel.hidden = panel.dataset.task !== choice.value;
});

follow(
  page.dataset.live,
  (update) => {
    if (update.points.length) {
      points = points.concat(update.points);
      // Every other point of the older half goes when there are too many to draw.
      if (points.length > MAX_POINTS) points = points.filter((_, index) => index > MAX_POINTS / 2 || index % 2 === 0);
      for (const chart of charts) chart.draw(points);
    }
    summary.innerHTML = update.html;
    if (update.report) report.innerHTML = update.report;
    // The end takes the stop button away, which is the page's to say.
    if (update.ended && page.dataset.ended === "no") window.location.reload();
  },
  (after) => `${page.dataset.poll}?after=${after}`,
);
