// The API reference: finding operations while typing, copying calls, and sending one with what its form says.

const KEPT = "freshet-key-for-trying:";
const SHOWN_CHARACTERS = 200000;
const SOON_MS = 60000;

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}

const filter = document.querySelector("[data-filter]");
if (filter) {
  const found = document.querySelector("[data-found]");
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const group of document.querySelectorAll("[data-group]")) {
      let shown = 0;
      for (const line of group.querySelectorAll("[data-words]")) {
        line.hidden = !words.every((word) => line.dataset.words.includes(word));
        shown += line.hidden ? 0 : 1;
      }
      group.hidden = shown === 0;
      count += shown;
    }
    found.textContent = `${count} operations`;
  });
}

const form = document.querySelector("form.try");
if (form) {
  form.hidden = false;
  const pasted = form.elements.key;
  for (const choice of form.querySelectorAll("[name=key-from]")) {
    choice.addEventListener("change", () => { pasted.hidden = choice.value !== "paste" || !choice.checked; });
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form);
  });
}

async function send(tried) {
  const button = tried.querySelector("button[type=submit]");
  button.disabled = true;
  try {
    const key = await keyOf(tried);
    const headers = { Accept: "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
    const query = new URLSearchParams();
    let path = tried.dataset.path;
    for (const input of tried.querySelectorAll("[data-in]")) {
      const value = input.value.trim();
      if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(value));
      else if (value && input.dataset.in === "query") query.set(input.name, value);
      else if (value) headers[input.name] = value;
    }
    const body = tried.elements.body?.value;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const address = path + (query.size ? `?${query}` : "");
    const began = performance.now();
    // the key speaks for the call, and nothing else: no session goes with it
    const answer = await fetch(address, { method: tried.dataset.method, headers, body, credentials: "omit" });
    const text = await answer.text();
    show(answer, text, performance.now() - began);
  } catch (error) {
    fail(error.message);
  } finally {
    button.disabled = false;
  }
}

// A key made here is kept for the tab until it ends; one that is pasted is kept nowhere.
async function keyOf(tried) {
  if (!tried.dataset.needs) return "";
  if (tried.elements["key-from"].value === "paste") {
    if (!tried.elements.key.value) throw new Error("Paste a key first.");
    return tried.elements.key.value.trim();
  }
  const place = KEPT + tried.dataset.project;
  const kept = JSON.parse(sessionStorage.getItem(place) || "null");
  const needed = tried.dataset.needs.split(" ");
  const isGood = kept && Date.parse(kept.expires_at) - Date.now() > SOON_MS;
  if (isGood && kept.scopes.some((scope) => needed.includes(scope))) return kept.secret;
  const made = await fetch(tried.dataset.mint, {
    method: "POST",
    headers: { "X-CSRFToken": tried.elements.csrfmiddlewaretoken.value },
  });
  if (!made.ok) throw new Error(`No key could be made (status ${made.status}).`);
  const key = await made.json();
  sessionStorage.setItem(place, JSON.stringify(key));
  return key.secret;
}

function show(answer, text, tookMs) {
  const place = document.querySelector("[data-answer]");
  const line = element("div", "line");
  line.append(
    element("span", `state state-${answer.ok ? "good" : "bad"}`, `${answer.status} ${answer.statusText}`.trim()),
    element("span", "", `${Math.round(tookMs)} ms`),
    element("span", "soft", `${new Blob([text]).size.toLocaleString("en")} B`),
  );
  const headers = element("details", "small");
  const rows = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
  headers.append(element("summary", "", "Headers"), element("pre", "wrapped", rows));
  const body = element("pre", "wrapped", pretty(text).slice(0, SHOWN_CHARACTERS) || "(no body)");
  body.tabIndex = 0;
  body.setAttribute("role", "group");
  body.setAttribute("aria-label", "Body of the answer");
  place.replaceChildren(line, headers, body);
  if (answer.status === 401) for (const name of Object.keys(sessionStorage)) if (name.startsWith(KEPT)) sessionStorage.removeItem(name);
}

function fail(message) {
  const note = element("div", "note bad", message);
  note.setAttribute("role", "alert");
  document.querySelector("[data-answer]").replaceChildren(note);
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function element(name, classes, text = "") {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  made.textContent = text;
  return made;
}
