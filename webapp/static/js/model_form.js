// The definition's form and its JSON: problems at their fields, lines to jump to, folds that stay as they are, and nothing typed is swapped away.
const form = document.getElementById("definition");
let typedSince = false;

function mark() {
  for (const made of form.querySelectorAll(".wrong[data-live]")) made.remove();
  for (const field of form.querySelectorAll("[aria-invalid][data-live]")) {
    field.removeAttribute("aria-invalid");
    delete field.dataset.live;
  }
  for (const problem of document.querySelectorAll("#standing [data-control]")) {
    const field = form.elements[problem.dataset.control];
    if (!(field instanceof HTMLElement) || field.getAttribute("aria-invalid")) continue;
    field.setAttribute("aria-invalid", "true");
    field.dataset.live = "yes";
    const words = document.createElement("span");
    words.className = "wrong";
    words.dataset.live = "yes";
    words.textContent = problem.dataset.rule;
    field.after(words);
  }
}

function toLine(number) {
  const text = document.getElementById("f-document");
  const lines = text.value.split("\n");
  const start = lines.slice(0, number - 1).reduce((sum, line) => sum + line.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[number - 1] ?? "").length);
  document.querySelectorAll("#gutter li")[number - 1]?.scrollIntoView({ block: "center" });
}

// As tall as its text, so that numbers and lines stay side by side.
function grow() {
  const text = document.getElementById("f-document");
  const gutter = document.getElementById("gutter");
  const number = text.value.split("\n").length;
  text.rows = number;
  while (gutter.children.length < number) gutter.append(document.createElement("li"));
  while (gutter.children.length > number) gutter.lastChild.remove();
}

form.addEventListener("input", (event) => {
  typedSince = true;
  if (event.target.id === "f-document") grow();
});
form.addEventListener("change", () => { typedSince = true; });
form.addEventListener("click", (event) => {
  const line = event.target.closest(".to-line")?.closest("[data-line]")?.dataset.line;
  if (line) toLine(Number(line));
});

form.addEventListener("htmx:beforeRequest", () => { typedSince = false; });
form.addEventListener("htmx:beforeOnLoad", (event) => {
  // what was typed meanwhile is asked about next; an answer to what was there before would overwrite it
  if (typedSince) event.preventDefault();
});

const open = new Map();
document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
  for (const fold of event.detail.target.querySelectorAll("details[id]")) open.set(fold.id, fold.open);
});
document.body.addEventListener("htmx:oobAfterSwap", () => {
  for (const [id, wasOpen] of open) {
    const fold = document.getElementById(id);
    if (fold && wasOpen !== fold.open && !fold.querySelector("[aria-invalid]")) fold.open = wasOpen;
  }
  mark();
});
mark();
