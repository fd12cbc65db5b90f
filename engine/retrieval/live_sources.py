"""The sources that follow what happens in a project: its actions and its catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.catalogue_sources import NewestItems
from engine.retrieval.co_occurring import CoOccurringItems
from engine.retrieval.item_to_item import ItemToItemSettings
from engine.retrieval.source import Action, ActionFollower
from engine.retrieval.trending import TrendingItems
from engine.spec.candidates import Candidates

HOUR_S: Final = 3600.0


class LiveSources:
    """What goes with what, what is trending (in the last hour and in the last day, by half-lives of as much), and what is newest.

    Requests ask the sources from any thread; everything here is for the one that reads the log.
    """

    def __init__(self, catalogue: Catalogue, item_to_item: ItemToItemSettings | None = None) -> None:
        self.item_to_item = CoOccurringItems(catalogue, item_to_item)
        self.trending_1h = TrendingItems(catalogue, "trending_1h", half_life_s=HOUR_S)
        self.trending_24h = TrendingItems(catalogue, "trending_24h", half_life_s=24 * HOUR_S)
        self.latest = NewestItems(catalogue)
        self._followers: tuple[ActionFollower, ...] = (self.item_to_item, self.trending_1h, self.trending_24h)

    def configure(self, candidates: Candidates) -> None:
        """Forget everything, and go on as the schema says: the actions will be told again."""
        self.item_to_item.configure(ItemToItemSettings.of(candidates.item_to_item))
        self.clear()

    def observe(self, actions: Sequence[Action]) -> None:
        """Actions in the order of the log."""
        for follower in self._followers:
            follower.observe(actions)

    def note_catalogue(self, changes: ItemChanges) -> None:
        """What `Catalogue.apply` answered."""
        for follower in self._followers:
            follower.note_catalogue(changes)
        self.latest.note_catalogue(changes)

    def forget_user(self, user_id: str) -> None:
        """What the user did last says nothing any more of what goes together."""
        self.item_to_item.forget_user(user_id)

    def renew(self) -> None:
        """Make what was observed the answer."""
        self.trending_1h.renew()
        self.trending_24h.renew()

    def clear(self) -> None:
        """Forget all actions: they will be told again."""
        for follower in self._followers:
            follower.clear()
