// On a phone the tabs are a strip that scrolls sideways: bring the current one into sight.
for (const current of document.querySelectorAll('.tabs [aria-current="page"]')) {
  current.scrollIntoView({ inline: "center", block: "nearest" });
}

// What scrolls inside a box of its own can be reached by keyboard, and only that.
const BOXES = ".scroll, pre";

function makeReachable() {
  for (const box of document.querySelectorAll(BOXES)) {
    const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
    if (scrolls && !box.hasAttribute("tabindex")) {
      box.tabIndex = 0;
      box.dataset.reachable = "";
    } else if (!scrolls && "reachable" in box.dataset) {
      box.removeAttribute("tabindex");
      delete box.dataset.reachable;
    }
  }
}

let planned = false;
function soon() {
  if (planned) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    makeReachable();
  });
}

const main = document.getElementById("main");
if (main) {
  makeReachable();
  new MutationObserver(soon).observe(main, { childList: true, subtree: true });
  window.addEventListener("resize", soon);
  main.addEventListener("toggle", soon, true);
}
