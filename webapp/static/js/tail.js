// What arrives, at the top of the table. Pausing leaves the rows where they are; the link's address keeps that place for others.
const MAX_ROWS = 200;
const body = document.querySelector("[data-tail]");
const mark = document.querySelector("[data-live-mark]");
const pause = document.querySelector("[data-pause]");
const passed = document.querySelector("[data-passed]");
const address = new URL(body.dataset.live, location.href);
let source = null;
let numPassed = 0;

function say(state, words) {
  mark.dataset.state = state;
  mark.textContent = words;
}

function take(update) {
  address.searchParams.set("after", update.after);
  say("on", "live");
  if (update.num_passed) {
    numPassed += update.num_passed;
    passed.textContent = `${numPassed.toLocaleString("en")} came too fast to be shown`;
  }
  if (!update.rows) return;
  const fresh = document.createElement("template");
  fresh.innerHTML = update.rows;
  for (const row of fresh.content.children) row.classList.add("fresh");
  body.prepend(fresh.content);
  while (body.rows.length > MAX_ROWS) body.rows[body.rows.length - 1].remove();
  document.querySelector("[data-none]")?.remove();
}

function start() {
  source = new EventSource(address);
  source.addEventListener("update", (event) => take(JSON.parse(event.data)));
  source.addEventListener("error", () => say("lost", "connecting again"));
  pause.textContent = "Pause";
}

pause.setAttribute("role", "button");
pause.addEventListener("click", (event) => {
  if (event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  if (source) {
    source.close();
    source = null;
    say("", "paused");
    pause.textContent = "Go on";
  } else start();
});
pause.addEventListener("keydown", (event) => {
  if (event.key === " ") {
    event.preventDefault();
    pause.click();
  }
});
window.addEventListener("pagehide", () => source?.close());
start();
