"""The sources that learn from a project's actions as they happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.retrieval.co_occurring import CoOccurringItems
from engine.retrieval.item_to_item import ItemToItemSettings
from engine.retrieval.source import Action, ActionFollower
from engine.retrieval.trending import TrendingItems
from engine.spec.candidates import Candidates

HOUR_S: Final = 3600.0


class LiveSources:
    """What goes with what, and what is trending: in the last hour and in the last day, by half-lives of as much."""

    def __init__(self, item_to_item: ItemToItemSettings | None = None) -> None:
        self.item_to_item = CoOccurringItems(item_to_item)
        self.trending_1h = TrendingItems("trending_1h", half_life_s=HOUR_S)
        self.trending_24h = TrendingItems("trending_24h", half_life_s=24 * HOUR_S)
        self._followers: tuple[ActionFollower, ...] = (self.item_to_item, self.trending_1h, self.trending_24h)

    def configure(self, candidates: Candidates) -> None:
        """Forget everything, and go on as the schema says: the actions will be told again."""
        self.item_to_item.configure(ItemToItemSettings.of(candidates.item_to_item))
        self.clear()

    def observe(self, actions: Sequence[Action]) -> None:
        """Actions in the order of the log."""
        for follower in self._followers:
            follower.observe(actions)

    def forget(self, item_id: str) -> None:
        """The item was deleted."""
        for follower in self._followers:
            follower.forget(item_id)

    def clear(self) -> None:
        """Forget everything: the actions will be told again."""
        for follower in self._followers:
            follower.clear()
