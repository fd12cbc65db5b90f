"""What a replica knows of a project's users from the stream: what they did, what they were shown, and how often each item was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from engine.features.histories import History
from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue, ItemChanges
from engine.retrieval.impression_counts import ImpressionCounts
from engine.retrieval.item_numbers import ItemNumbers
from engine.retrieval.item_rows import Rows
from engine.retrieval.unfinished import UnfinishedItems
from engine.retrieval.user_actions import UserActions, since
from engine.spec.candidates import Unfinished
from engine.spec.deployment import Seen
from engine.spec.erasure import Erased, Erasure, erasure_of, noted
from engine.spec.event import Event
from engine.spec.schema import EventRole

MAX_ITEMS: Final = 200
"""Of each user: the longest history that a schema may ask for."""


@dataclass(frozen=True, slots=True)
class UserLimits:
    """How much is kept: the users who acted last, and of each the last items. A user with fifty takes about a kilobyte."""

    max_users: int = 1_000_000
    max_items: int = MAX_ITEMS


_MAX_SEEN: Final = 2048
"""Users whose seen rows are kept as they were worked out last."""


class _SeenRows(NamedTuple):
    """`rows` of the user with `history`, by `rule`, while the catalogue had changed `num_changes` times."""

    history: tuple[str, ...]
    rule: Seen
    num_changes: int
    rows: Rows


class UserState:
    """`note` and what else changes it from one thread, the rest from any.

    An event is noted once: `next_offsets` and `next_watched` say from where on events of each partition of the log are new. Actions are
    always kept (but of a user or item that is erased, as of the place of the order among the events; `erased` are the last such orders);
    events of other roles only of the types that `watch` names, and these from the moment that it does. `clock` answers seconds
    since 1970.
    """

    def __init__(self, catalogue: Catalogue, clock: Callable[[], float], limits: UserLimits | None = None) -> None:
        limits = limits or UserLimits()
        lock = threading.Lock()
        self.limits = limits
        self.items = ItemNumbers()
        self.actions = UserActions(self.items, lock, max_items=limits.max_items, max_users=limits.max_users)
        self.watched = UserActions(self.items, lock, max_items=limits.max_items, max_users=limits.max_users)
        self.impressions = ImpressionCounts(catalogue)
        self.unfinished = UnfinishedItems(catalogue, (self.actions, self.watched), clock)
        self.erased: list[Erased] = []
        self.next_offsets: dict[int, int] = {}
        self.next_watched: dict[int, int] = {}
        self.watched_types: frozenset[str] = frozenset()
        self._catalogue = catalogue
        self._clock = clock
        # Replaced whole when it is full, so that nobody needs a lock.
        self._seen: dict[str, _SeenRows] = {}

    def keep_items(self, num: int) -> None:
        """Keep at least `num` items of each user from now on."""
        for store in (self.actions, self.watched):
            store.max_items = max(store.max_items, num)

    def watch(self, event_types: Collection[str]) -> bool:
        """Keep events of these types too, whatever their role. True when some are new, so that events should be told again."""
        if self.watched_types.issuperset(event_types):
            return False
        self.watched_types = self.watched_types.union(event_types)
        self.next_watched = {}
        return True

    def bring_back(self, rule: Unfinished | None) -> bool:
        """What the source `unfinished` answers from now on. True as for `watch`."""
        self.unfinished.configure(rule)
        return False if rule is None else self.watch(rule.event_types)

    def note(self, events: Iterable[tuple[int, int, Event]]) -> None:
        """Events in the order of the log, each after its partition and offset."""
        shown: list[str] = []
        for partition, offset, event in events:
            is_new = offset >= self.next_offsets.get(partition, 0)
            if is_new:
                self.next_offsets[partition] = offset + 1
            if (erasure := erasure_of(event)) is not None:
                if is_new:
                    self._erase(erasure, partition)
                self.next_watched[partition] = max(self.next_watched.get(partition, 0), offset + 1)
                continue
            if event.role is EventRole.ACTION:
                if is_new and event.item_id is not None:
                    self.actions.record(event.user_id, event.item_id, _time_ms(event), event.type)
                continue
            if is_new and event.role is EventRole.IMPRESSION:
                shown.extend(event.item_ids)
            self._note_watched(partition, offset, event)
        self.impressions.note(shown)

    def _erase(self, erasure: Erasure, partition: int) -> None:
        counts: dict[str, int] = {}
        self._seen = {}
        if erasure.kind == "user":
            counts["history"] = self.actions.forget(erasure.id)
            counts["watched"] = self.watched.forget(erasure.id)
        else:
            # Its impressions went when the catalogue said that it was deleted.
            self.items.forget(erasure.id)
            for store in (self.actions, self.watched):
                store.forget_reads()
        self.erased = noted(self.erased, [Erased(erasure, partition, counts)])

    def note_catalogue(self, changes: ItemChanges) -> None:
        """What `Catalogue.apply` answered."""
        self.impressions.note_catalogue(changes)

    def history(self, user_id: str, length: int) -> History:
        """What the user acted on last, at most `length` items."""
        return self.actions.history(user_id, length)

    def seen_rows(self, asker: Asker, rule: Seen, *, but_unfinished: bool = False) -> Rows:
        """int32[m]: the rows of what the asker acted on, this request's session included, as the rule counts it.

        With `but_unfinished` what the source `unfinished` would bring back does not count.
        """
        if but_unfinished or rule.window_s is not None or not asker.history or self._watches(rule):
            return self._seen_rows(asker, rule, but_unfinished=but_unfinished)
        # Actions alone, of any time: they are the same while the history is the very same object.
        num_changes = self._catalogue.num_changes
        kept = self._seen.get(asker.user_id)
        if (
            kept is None
            or kept.history is not asker.history
            or kept.rule is not rule
            or kept.num_changes != num_changes
        ):
            kept = _SeenRows(asker.history, rule, num_changes, self._seen_rows(asker, rule))
            if len(self._seen) >= _MAX_SEEN:
                self._seen = {}
            self._seen[asker.user_id] = kept
        return kept.rows

    def _watches(self, rule: Seen) -> bool:
        return rule.event_types is not None and not self.watched_types.isdisjoint(rule.event_types)

    def _seen_rows(self, asker: Asker, rule: Seen, *, but_unfinished: bool = False) -> Rows:
        begin_ms = since(self._now_ms(asker), rule.window_s)
        item_ids = set(self.actions.items(asker.user_id, rule.event_types, begin_ms))
        if rule.event_types is not None and self._watches(rule):
            item_ids.update(self.watched.items(asker.user_id, rule.event_types, begin_ms))
        item_ids.update(_counted(asker, rule, begin_ms))
        if but_unfinished:
            item_ids.difference_update(self.unfinished.item_ids(asker))
        rows = self._catalogue.rows_of(item_ids)
        return rows[rows >= 0]

    def _note_watched(self, partition: int, offset: int, event: Event) -> None:
        if offset < self.next_watched.get(partition, 0):
            return
        self.next_watched[partition] = offset + 1
        if event.type in self.watched_types:
            for item_id in event.item_ids:
                self.watched.record(event.user_id, item_id, _time_ms(event), event.type)

    def _now_ms(self, asker: Asker) -> int:
        return int(self._clock() * 1000) if asker.time_ms is None else asker.time_ms


def _time_ms(event: Event) -> int:
    """One dated later than it was received counts as of its receipt, lest it outweigh everything."""
    return min(event.timestamp_ms, event.received_ms)


def _counted(asker: Asker, rule: Seen, begin_ms: int | None) -> Sequence[str]:
    """Of the asker's history, which may have events that the stream has not, those that the rule counts."""
    if rule.event_types is None and begin_ms is None:
        return asker.history
    types = asker.history_types or ("",) * len(asker.history)
    times_ms = asker.history_times_ms or (0,) * len(asker.history)
    return [
        item_id
        for item_id, event_type, time_ms in zip(asker.history, types, times_ms, strict=True)
        if (rule.event_types is None or event_type in rule.event_types) and (begin_ms is None or time_ms >= begin_ms)
    ]
