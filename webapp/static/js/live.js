// Follows a server-sent stream; a browser whose stream never comes through asks for the same update every two seconds.
const POLL_MS = 2000;
const FAILURES_BEFORE_POLLING = 3;

function say(state, words) {
  const mark = document.querySelector("[data-live-mark]");
  if (!mark) return;
  mark.dataset.state = state;
  mark.textContent = words;
}

// `onUpdate(data)` gets each update; `pollUrl(after)` is optional. An update with `ended` closes the stream for good.
export function follow(url, onUpdate, pollUrl) {
  let failures = 0;
  let after = 0;
  const take = (data) => {
    if (data.after !== undefined) after = data.after;
    onUpdate(data);
    if (data.ended) say("", "ended");
    return data.ended;
  };

  const source = new EventSource(url);
  source.addEventListener("update", (event) => {
    failures = 0;
    say("on", "live");
    if (take(JSON.parse(event.data))) source.close();
  });
  source.addEventListener("error", () => {
    failures += 1;
    say("lost", "connecting again");
    if (pollUrl && failures >= FAILURES_BEFORE_POLLING) {
      source.close();
      poll();
    }
  });
  window.addEventListener("pagehide", () => source.close());

  async function poll() {
    try {
      const answer = await fetch(pollUrl(after), { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.statusText);
      say("on", "live, by asking");
      if (take(await answer.json())) return;
    } catch {
      say("lost", "no answer");
    }
    setTimeout(poll, POLL_MS);
  }
}
