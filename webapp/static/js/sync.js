// The parameter-sync page: tables and charts, each second.
import { Chart } from "./charts.js";
import { follow } from "./live.js";

const WINDOW_S = 300;
const page = document.querySelector("[data-sync]");
const publishes = document.querySelector("[data-publishes]");
const charts = { ages: new Chart(document.getElementById("ages"), []), sequences: new Chart(document.getElementById("sequences"), []) };
const points = { ages: [], sequences: [] };

function add(name, update) {
  points[name].push({ at_s: update.at_s, ...update[name] });
  while (points[name][0].at_s < update.at_s - WINDOW_S) points[name].shift();
  const keys = [...new Set(points[name].flatMap((point) => Object.keys(point)))].filter((key) => key !== "at_s");
  charts[name].draw(points[name], keys.map((key) => ({ key, label: key })));
}

follow(page.dataset.live, (update) => {
  page.innerHTML = update.html;
  publishes.innerHTML = update.publishes;
  add("ages", update);
  add("sequences", update);
});
