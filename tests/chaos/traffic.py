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
        self._thread = threading.Thread(target=self._stream, name="traffic")
        self.num_events = 0
        self.num_shown = 0
        self.num_clicks = 0
        self.num_retries = 0
        self.refusals: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the last batch is acknowledged."""
        self._stopping.set()
        self._thread.join()

    def _stream(self) -> None:
        with self._client:
            while not self._stopping.wait(self._pause_s):
                self._post(self._session())

    def _session(self) -> list[dict[str, object]]:
        now_ms = int(time.time() * 1000)
        user, shown = (
            uuid.uuid4().hex,
            [f"i{n}" for n in self._random.choice(self._num_items, NUM_SHOWN, replace=False)],
        )
        clicked = [item for item in shown if self._random.random() < CLICK_SHARE]
        self.num_shown += len(shown)
        self.num_clicks += len(clicked)
        impression: dict[str, object] = {"type": "impression", "items": shown}
        clicks: list[dict[str, object]] = [{"type": "click", "item_id": item} for item in clicked]
        return [
            {"event_id": uuid.uuid4().hex, "user_id": user, "timestamp": now_ms + after_ms, **event}
            for after_ms, event in enumerate([impression, *clicks])
        ]

    def _post(self, events: list[dict[str, object]]) -> None:
        while True:
            try:
                reply = self._client.post("/api/v1/events", json={"events": events})
            except httpx.TransportError:
                reply = None
            if reply is not None and reply.status_code < 500:
                break
            self.num_retries += 1
            time.sleep(RETRY_AFTER_S)
        body = reply.json()
        if reply.status_code != 200 or body["rejected"]:
            self.refusals.append(reply.text)
        self.num_events += len(events)
