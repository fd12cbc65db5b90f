// Keeps the home page up to date. What did not change stays as it is, and so does what has the keyboard's focus.
import { follow } from "./live.js";

function replaceChanged(place, html) {
  const made = document.createElement(place.tagName);
  made.innerHTML = html;
  const now = [...place.children];
  const next = [...made.children];
  if (now.length !== next.length) {
    if (!place.contains(document.activeElement)) place.replaceChildren(...made.childNodes);
    return;
  }
  now.forEach((child, number) => {
    if (child.outerHTML !== next[number].outerHTML && !child.contains(document.activeElement)) child.replaceWith(next[number]);
  });
}

const home = document.querySelector("[data-overview]");
follow(home.dataset.overview, (update) => {
  for (const [id, html] of Object.entries(update.parts)) {
    const place = document.getElementById(id);
    if (place) replaceChanged(place, html);
  }
});
