"""The demo's live traffic: generated users who ask for recommendations, and click what the world says they would."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.evaluation.generated_stream import LIST_LENGTH, GeneratedWorld

logger = logging.getLogger(__name__)

FOUND_SHARE = 0.4
"""Share of visits in which the user finds an item without us: what a recommender is not asked about is in its log too."""

Event = dict[str, Any]


@dataclass(slots=True)
class TrafficCounts:
    num_visits: int = 0
    num_recommendations: int = 0
    num_clicks: int = 0
    num_failures: int = 0


class DemoTraffic:
    """`rate` visits a second. `ask` answers `(recommendation_id, item ids)`; `post` takes events in the API's form.

    An `ask` or `post` that raises one of `outages` costs the visit and a second's pause, and nothing else. A traffic
    that fell behind goes on from now, so that no burst follows.
    """

    def __init__(
        self,
        world: GeneratedWorld,
        *,
        rate: float,
        ask: Callable[[str], tuple[str, list[str]]],
        post: Callable[[Sequence[Event]], None],
        outages: tuple[type[Exception], ...],
        rng: np.random.Generator,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if rate <= 0:
            raise ValueError(f"rate must be above 0 (received {rate})")
        self._world, self._interval_s, self._ask, self._post = world, 1.0 / rate, ask, post
        self._outages, self._rng, self._clock, self._sleep = outages, rng, clock, sleep
        self._next_at = clock()
        self.counts = TrafficCounts()

    def visit_when_due(self) -> None:
        """Wait for the next visit's time, and make it."""
        now = self._clock()
        self._sleep(max(0.0, self._next_at - now))
        self._next_at = max(self._next_at, now) + self._interval_s
        try:
            self._visit()
        except self._outages as error:
            self.counts.num_failures += 1
            logger.info("the demo's traffic waits: %s", error)
            self._next_at = max(self._next_at, self._clock() + 1.0)

    def _visit(self) -> None:
        self.counts.num_visits += 1
        now_s = self._clock()
        if self._rng.random() < FOUND_SHARE:
            found = list(self._world.history(1, int(now_s * 1000), impression_share=0.0))
            self._post(found)
            self.counts.num_clicks += len(found)
            return
        user = self._world.draw_user(self._rng)
        recommendation_id, shown = self._ask(user)
        self.counts.num_recommendations += 1
        chosen = self._world.choose(user, [item for item in shown if self._knows(item)], now_s, self._rng)
        if chosen is None:
            return
        click = {
            "event_id": f"demo-{uuid.uuid4().hex}",
            "type": "click",
            "user_id": user,
            "item_id": chosen,
            "timestamp": int(self._clock() * 1000),
            "recommendation_id": recommendation_id,
        }
        self._post([click])
        self.counts.num_clicks += 1

    def _knows(self, item_id: str) -> bool:
        """A person may have added items of their own; the world has no opinion on them."""
        number = item_id.removeprefix("item-")
        return number != item_id and number.isdecimal() and int(number) < self._world.num_items


NUM_ASKED = LIST_LENGTH
