// The search page: trials and their picture, as the search's stream tells them.
import { follow } from "./live.js";

const page = document.querySelector("[data-search]");

if (page.dataset.ended === "no") {
  follow(
    page.dataset.live,
    (update) => {
      page.innerHTML = update.html;
      // The end takes the stop button away and offers the winner, which is the page's to say.
      if (update.ended) window.location.reload();
    },
    () => page.dataset.poll,
  );
}
