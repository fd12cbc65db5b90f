// The parameter-sync page: where everybody stands each second, how it went each ten. What is open or has the focus stays so.
import { follow } from "./live.js";
import { patch } from "./patch.js";

const page = document.querySelector("[data-sync]");
const pictures = document.querySelector("[data-pictures]");
const publishes = document.querySelector("[data-publishes]");

follow(page.dataset.live, (update) => {
  patch(page, update.html);
  if (publishes.dataset.old === undefined) patch(publishes, update.publishes);
  if (update.pictures) patch(pictures, update.pictures);
});
