// The log's page: new lines at the end, which stays in sight unless somebody has scrolled up to read.
import { follow } from "./live.js";

const MAX_LINES = 2000;
const log = document.querySelector(".log");
log.scrollTop = log.scrollHeight;

for (const select of document.querySelectorAll("[data-submits]")) select.addEventListener("change", () => select.form.requestSubmit());

if (log.dataset.log !== undefined) {
  const first = new URL(log.dataset.live, window.location).searchParams.get("after");
  follow(
    log.dataset.live,
    (update) => {
      if (!update.html) return;
      const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      document.querySelector("[data-no-lines]")?.remove();
      log.insertAdjacentHTML("beforeend", update.html);
      while (log.children.length > MAX_LINES) log.firstElementChild.remove();
      if (isAtEnd) log.scrollTop = log.scrollHeight;
    },
    (after) => `${log.dataset.poll}&after=${after || first}`,
  );
}
