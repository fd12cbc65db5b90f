"""A generated world whose right answers are known: users with tastes, items that rise and fade. Nothing in it was ever measured.

Every user has a taste, a distribution over topics. Every item has one topic and a lasting quality, and rises to full popularity once
in each period, after which its popularity halves every `half_life_s`: what was clicked most an hour ago is not what is clicked now,
so that a model which stopped learning is soon wrong. Every number is a function of the seed and the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

TOPICS: Final = (
    "politics", "economy", "football", "tennis", "films", "music", "travel", "food", "science", "games", "health", "weather",
)  # fmt: skip
COUNTRIES: Final = ("AR", "BR", "DE", "FR", "IN", "JP", "KE", "NO")
DEVICES: Final = ("phone", "desktop", "tablet")
LIST_LENGTH: Final = 10
_FLOOR: Final = 0.002
_PERIODS: Final = 8

Floats = npt.NDArray[np.float64]


class GeneratedWorld:
    """`num_users` users `user-0` … and `num_items` items `item-0` …, all functions of `seed`."""

    def __init__(
        self, seed: int = 17, num_users: int = 500, num_items: int = 1_000, half_life_s: float = 300.0
    ) -> None:
        if num_users < 1 or num_items < LIST_LENGTH:
            raise ValueError(f"at least 1 user and {LIST_LENGTH} items, received {num_users} and {num_items}")
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.num_users = num_users
        self.num_items = num_items
        self.half_life_s = half_life_s
        self.period_s = _PERIODS * half_life_s
        self._taste = rng.dirichlet(np.full(len(TOPICS), 0.15), num_users)
        self._topic = rng.integers(len(TOPICS), size=num_items)
        self._quality = rng.lognormal(0.0, 0.6, num_items)
        self._rises_at_s = rng.uniform(0.0, self.period_s, num_items)
        self._price = np.round(rng.lognormal(2.0, 0.7, num_items), 2)
        self._country = rng.integers(len(COUNTRIES), size=num_users)
        self._device = rng.integers(len(DEVICES), size=num_users)
        self._activity = _normalised(rng.lognormal(0.0, 1.0, num_users))

    def items(self) -> list[dict[str, Any]]:
        """Every item as `{"id", "properties": {"topic", "sections", "price"}}`."""
        return [
            {
                "id": f"item-{index}",
                "properties": {
                    "topic": TOPICS[topic],
                    "sections": [TOPICS[topic], "premium" if self._price[index] > 12.0 else "free"],
                    "price": float(self._price[index]),
                },
            }
            for index, topic in enumerate(self._topic)
        ]

    def users(self) -> list[dict[str, Any]]:
        """Every user as `{"id", "properties": {"country"}}`."""
        return [
            {"id": f"user-{index}", "properties": {"country": COUNTRIES[country]}}
            for index, country in enumerate(self._country)
        ]

    def popularity(self, time_s: float) -> Floats:
        """Every item's popularity in (0, 1], float64[num_items]: 1 when it rises, half of it each `half_life_s`, never below a floor."""
        age_s = np.mod(time_s - self._rises_at_s, self.period_s)
        fresh: Floats = _FLOOR + (1.0 - _FLOOR) * np.exp2(-age_s / self.half_life_s)
        return fresh

    def click_probability(self, user: str | int, item: str | int, time_s: float) -> float:
        """The chance that the user clicks the item when shown it: 0.9·x / (x + 1), x = 12 · taste · quality · popularity."""
        return float(self._click_probabilities(_index(user, self.num_users), time_s)[_index(item, self.num_items)])

    def choose(
        self, user: str | int, shown_items: Sequence[str], time_s: float, rng: np.random.Generator
    ) -> str | None:
        """Which of the shown items the user clicks: the first from the top that a coin of its click probability falls for; or None."""
        chances = self._click_probabilities(_index(user, self.num_users), time_s)
        for item in shown_items:
            if rng.random() < chances[_index(item, self.num_items)]:
                return item
        return None

    def draw_user(self, rng: np.random.Generator) -> str:
        """A user, by how active each is."""
        return f"user-{rng.choice(self.num_users, p=self._activity)}"

    def history(
        self, num_events: int, end_time_ms: int, *, events_per_s: float = 5.0, impression_share: float = 0.3
    ) -> Iterator[dict[str, Any]]:
        """`num_events` events in the API's form, in time order, evenly spread up to `end_time_ms`.

        A share of visits logs what was shown (an `impression` of ten items by popularity, then a click on one of them or none, with
        its `recommendation_id`); in the others only the click is known, an item the user found by taste, quality and popularity.
        """
        rng = np.random.default_rng([self.seed, num_events, end_time_ms])
        gap_ms = 1000.0 / events_per_s
        number = 0
        while number < num_events:
            time_ms = int(end_time_ms - (num_events - 1 - number) * gap_ms)
            for event in self._visit(number, time_ms, rng, rng.random() < impression_share):
                if number < num_events:
                    yield event
                    number += 1

    def _visit(self, number: int, time_ms: int, rng: np.random.Generator, logs_shown: bool) -> list[dict[str, Any]]:
        user = int(rng.choice(self.num_users, p=self._activity))
        event = {"user_id": f"user-{user}", "timestamp": time_ms}
        click = {**event, "type": "click", "properties": {"device": DEVICES[self._device[user]]}}
        event_id = f"generated-{self.seed}-{time_ms}-{number}"
        popularity = self.popularity(time_ms / 1000.0)
        if not logs_shown:
            wanted = self._taste[user, self._topic] * self._quality * popularity
            item = int(rng.choice(self.num_items, p=_normalised(wanted)))
            return [{**click, "event_id": event_id, "item_id": f"item-{item}"}]
        shown = rng.choice(self.num_items, LIST_LENGTH, replace=False, p=_normalised(popularity * self._quality))
        names = [f"item-{item}" for item in shown]
        shared = {"recommendation_id": f"{event_id}-list"}
        impression = {**event, **shared, "event_id": f"{event_id}-shown", "type": "impression", "items": names}
        chosen = self.choose(user, names, time_ms / 1000.0, rng)
        if chosen is None:
            return [impression]
        return [impression, {**click, **shared, "event_id": event_id, "item_id": chosen}]

    def _click_probabilities(self, user: int, time_s: float) -> Floats:
        strength = 12.0 * self._taste[user, self._topic] * self._quality * self.popularity(time_s)
        chances: Floats = 0.9 * strength / (strength + 1.0)
        return chances


def _index(name: str | int, limit: int) -> int:
    """The number in `user-7`, `item-7` or 7. Raises ValueError for one that is not in the world."""
    index = name if isinstance(name, int) else int(name.rpartition("-")[2])
    if not 0 <= index < limit:
        raise ValueError(f"the world has {limit} of these, received {name!r}")
    return index


def _normalised(weights: Floats) -> Floats:
    chances: Floats = weights / weights.sum()
    return chances
