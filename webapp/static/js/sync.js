// The parameter-sync page: tables and charts, each second.
import { Chart } from "./charts.js";
import { follow } from "./live.js";

const WINDOW_S = 300;
const page = document.querySelector("[data-sync]");
const publishes = document.querySelector("[data-publishes]");
const charts = { ages: new Chart(document.getElementById("ages"), []), sequences: new Chart(document.getElementById("sequences"), []) };
const FRESHNESS_WINDOW_S = 3600;
const FRESHNESS_STEP_S = 30;
const FRESHNESS_LINES = [{ key: "p50_s", label: "p50" }, { key: "p95_s", label: "p95" }, { key: "max_s", label: "max" }];
const freshness = { chart: new Chart(document.getElementById("freshness"), []), points: JSON.parse(document.getElementById("freshness").dataset.points) };
const points = { ages: [], sequences: [] };

function add(name, update) {
  points[name].push({ at_s: update.at_s, ...update[name] });
  while (points[name][0].at_s < update.at_s - WINDOW_S) points[name].shift();
  const keys = [...new Set(points[name].flatMap((point) => Object.keys(point)))].filter((key) => key !== "at_s");
  charts[name].draw(points[name], keys.map((key) => ({ key, label: key })));
}

// Each point is of its own half minute, so a new one is added that often.
function drawFreshness(at_s, now) {
  const last = freshness.points.at(-1);
  if (now && now.p50_s !== null && !(last && at_s < last.at_s + FRESHNESS_STEP_S)) freshness.points.push({ at_s, ...now });
  freshness.points = freshness.points.filter((point) => point.at_s >= at_s - FRESHNESS_WINDOW_S);
  if (freshness.points.length) freshness.chart.draw(freshness.points, FRESHNESS_LINES);
}

drawFreshness(Date.now() / 1000, null);
follow(page.dataset.live, (update) => {
  page.innerHTML = update.html;
  publishes.innerHTML = update.publishes;
  add("ages", update);
  add("sequences", update);
  drawFreshness(update.at_s, update.freshness);
});
