// One event on its way: the page says what the stream says, until there is nothing more to come.
import { follow } from "./live.js";
import { patch } from "./patch.js";

const way = document.querySelector("[data-way]");
if (way.dataset.over === undefined) follow(way.dataset.live, (update) => patch(way, update.html));
else document.querySelector("[data-live-mark]").textContent = "arrived";
