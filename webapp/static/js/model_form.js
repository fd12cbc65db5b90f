// The definition's form and its JSON: problems at their fields, lines to jump to, folds that stay as they are, and nothing typed is swapped away.
let typedSince = false;
const open = new Map();

const isOurs = (event) => event.target.closest?.("#definition") !== null;

function mark() {
  const form = document.getElementById("definition");
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

function remember(part) {
  for (const fold of part.querySelectorAll("details[id]")) open.set(fold.id, fold.open);
}

function restore() {
  for (const [id, wasOpen] of open) {
    const fold = document.getElementById(id);
    if (fold && wasOpen !== fold.open && !fold.querySelector("[aria-invalid]")) fold.open = wasOpen;
  }
  mark();
}

for (const kind of ["input", "change"]) {
  document.addEventListener(kind, (event) => {
    if (!isOurs(event)) return;
    typedSince = true;
    if (event.target.id === "f-document") grow();
  });
}
document.addEventListener("click", (event) => {
  const line = event.target.closest(".to-line")?.closest("[data-line]")?.dataset.line;
  if (line) toLine(Number(line));
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (isOurs(event)) typedSince = false;
});
document.addEventListener("htmx:beforeOnLoad", (event) => {
  // what was typed meanwhile is asked about next; an answer to what was there before would overwrite it
  if (isOurs(event) && typedSince) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  // a page that says what is wrong is a page
  if (event.detail.xhr.status === 400) Object.assign(event.detail, { shouldSwap: true, isError: false });
  if (event.detail.target.id === "main") remember(event.detail.target);
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id === "main") restore();
});
document.addEventListener("htmx:oobBeforeSwap", (event) => remember(event.detail.target));
document.addEventListener("htmx:oobAfterSwap", restore);
mark();
