// The search page: trials as the search's stream tells them, narrowed axis by axis with sliders.
import { follow } from "./live.js";

const page = document.querySelector("[data-search]");
const trials = document.querySelector("[data-trials]");
const form = document.querySelector("[data-brushes]");
const brushes = [...form.querySelectorAll("[data-brush]")];
let last = "";

// What a place from 0 to 1 on an axis is called.
function wordAt(brush, share) {
  const words = JSON.parse(brush.dataset.words);
  if (words) return words[Math.round(share * (words.length - 1))];
  const picture = page.querySelector(".parallel");
  const [low, high] = ["low", "high"].map((end) => Number(brush.dataset[end] || picture?.dataset[end] || 0));
  const value = brush.dataset.log === undefined ? low + share * (high - low) : low * (high / low) ** share;
  return Number(value.toPrecision(3)).toString();
}

function ends(brush) {
  const [from, to] = ["from", "to"].map((name) => Number(brush.elements[name].value) / 100);
  return [Math.min(from, to), Math.max(from, to)];
}

function narrow() {
  const limits = brushes.map(ends);
  const isAll = limits.every(([low, high]) => low === 0 && high === 1);
  for (const [place, brush] of brushes.entries()) {
    const words = limits[place].map((share) => wordAt(brush, share));
    brush.querySelector("output").textContent = words.join(" to ");
    for (const [end, name] of ["from", "to"].entries()) brush.elements[name].setAttribute("aria-valuetext", words[end]);
  }
  const lines = [...page.querySelectorAll(".parallel polyline")];
  const inside = new Set();
  for (const line of lines) {
    const shares = line.dataset.shares.split(",").map(Number);
    const isIn = shares.every((share, place) => share >= limits[place][0] - 0.001 && share <= limits[place][1] + 0.001);
    line.classList.toggle("off", !isIn);
    if (isIn) inside.add(line.dataset.trial);
  }
  for (const row of trials.querySelectorAll("[data-trial]")) row.hidden = !isAll && !inside.has(row.dataset.trial);
  form.hidden = lines.length === 0;
  form.querySelector("[data-brushed]").textContent = `${inside.size} of ${lines.length} trials with a value`;
}

for (const brush of brushes) {
  for (const name of ["from", "to"]) brush.elements[name].step = brush.dataset.step;
}
form.addEventListener("input", narrow);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(narrow));
narrow();

// The row under the pointer, or with the focus, has its line stand out.
for (const [enter, isOn] of [["pointerover", true], ["pointerout", false], ["focusin", true], ["focusout", false]]) {
  trials.addEventListener(enter, (event) => {
    const row = event.target.closest("tr[data-trial]");
    if (row) page.querySelector(`polyline[data-trial="${row.dataset.trial}"]`)?.classList.toggle("shown", isOn);
  });
}

if (page.dataset.ended === "no") {
  follow(
    page.dataset.live,
    (update) => {
      if (update.html + update.trials !== last) {
        last = update.html + update.trials;
        page.innerHTML = update.html;
        trials.innerHTML = update.trials;
        narrow();
      }
      // The end takes the stop button away and offers the winner, which is the page's to say.
      if (update.ended) window.location.reload();
    },
    () => page.dataset.poll,
  );
}
