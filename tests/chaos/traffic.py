"""A stream of impressions and clicks whose joined result is known by counting."""

from __future__ import annotations

import threading
import time
import uuid

import httpx
import numpy as np

NUM_SHOWN = 4
CLICK_SHARE = 0.3
RETRY_AFTER_S = 0.2


class Traffic:
    """Posts one batch after another, each event until it is acknowledged, as a careful client does.

    Every user is shown items once, so each shown item leads to exactly one example: a positive when it was clicked,
    a negative when it was not.
    """

    def __init__(
        self, base_url: str, api_key: str, *, seed: int, impressions_per_s: float, num_items: int = 200
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {api_key}"}, timeout=httpx.Timeout(30.0)
        )
        self._random = np.random.default_rng(seed)
        self._pause_s = 1.0 / impressions_per_s
        self._num_items = num_items
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._stream, name="traffic")
        self.event_ids: set[str] = set()
        self.num_events = 0
        self.num_shown = 0
        self.num_clicks = 0
        self.num_retries = 0
        self.refusals: list[str] = []
        self.is_dated = True
        """Whether events say when they happened; otherwise they happen when they are received."""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the last batch is acknowledged."""
        self._stopping.set()
        self._thread.join()

    def note(self, events: list[dict[str, object]]) -> None:
        """These are in the log too, whoever brought them there."""
        shown = [event["items"] for event in events if "items" in event]
        with self._lock:
            self.event_ids.update(str(event["event_id"]) for event in events)
            self.num_events += len(events)
            self.num_shown += sum(len(items) for items in shown if isinstance(items, list))
            self.num_clicks += sum(event["type"] == "click" for event in events)

    def _stream(self) -> None:
        with self._client:
            while not self._stopping.wait(self._pause_s):
                self.note(self.post(self._session()))

    def _session(self) -> list[dict[str, object]]:
        user, shown = (
            uuid.uuid4().hex,
            [f"i{n}" for n in self._random.choice(self._num_items, NUM_SHOWN, replace=False)],
        )
        clicked = [item for item in shown if self._random.random() < CLICK_SHARE]
        impression: dict[str, object] = {"type": "impression", "items": shown}
        clicks: list[dict[str, object]] = [{"type": "click", "item_id": item} for item in clicked]
        return [{"event_id": uuid.uuid4().hex, "user_id": user, **event} for event in [impression, *clicks]]

    def post(self, events: list[dict[str, object]], shift_ms: int = 0) -> list[dict[str, object]]:
        """Until acknowledged, dated when they are sent where events are dated; answers the events."""
        while True:
            now_ms = int(time.time() * 1000) + shift_ms
            times = [{"timestamp": now_ms + after_ms} if self.is_dated else {} for after_ms in range(len(events))]
            dated = [event | time_of for event, time_of in zip(events, times, strict=True)]
            try:
                reply = self._client.post("/api/v1/events", json={"events": dated})
            except httpx.TransportError:
                reply = None
            if reply is not None and reply.status_code < 500 and reply.status_code != 429:
                break
            self.num_retries += 1
            time.sleep(RETRY_AFTER_S)
        body = reply.json()
        if reply.status_code != 200 or body["rejected"]:
            self.refusals.append(reply.text)
        return events
