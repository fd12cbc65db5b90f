"""The user's own items that were started and not finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.source import Allowed, Found
from engine.retrieval.user_actions import UserActions, UserRecord, since
from engine.spec.candidates import Unfinished


class UnfinishedItems:
    """By when they were started last, the newest first; the score of the n-th is 1 / n. Safe to call from several threads.

    Whoever asks for them must not have them among what was seen: `UserState.seen_rows` leaves them out.
    """

    name: Final = "unfinished"

    def __init__(self, catalogue: Catalogue, stores: Sequence[UserActions], clock: Callable[[], float]) -> None:
        """`stores` between them have every event; `clock` answers seconds since 1970."""
        self._catalogue = catalogue
        self._stores = stores
        self._clock = clock
        self._rule: Unfinished | None = None

    def configure(self, rule: Unfinished | None) -> None:
        """None: nothing is brought."""
        self._rule = rule

    def retrieve(self, asker: Asker, num_items: int, allowed: Allowed) -> Found:
        rows = self._catalogue.rows_of(self.item_ids(asker)) if num_items > 0 else np.empty(0, np.int32)
        rows = rows[rows >= 0]
        rows = rows[allowed.keep(rows)][:num_items]
        return Found(rows, (1.0 / np.arange(1, rows.size + 1)).astype(np.float32))

    def item_ids(self, asker: Asker) -> list[str]:
        """What the asker left unfinished, the one started last first."""
        rule = self._rule
        if rule is None:
            return []
        now_ms = int(self._clock() * 1000) if asker.time_ms is None else asker.time_ms
        return unfinished(self._records(asker), rule, now_ms)

    def _records(self, asker: Asker) -> list[UserRecord]:
        session = UserRecord(list(asker.history), list(asker.history_types), list(asker.history_times_ms))
        return [*(store.record_of(asker.user_id) for store in self._stores), session]


def unfinished(records: Sequence[UserRecord], rule: Unfinished, now_ms: int) -> list[str]:
    """Item ids, the one started last first."""
    begin_ms = since(now_ms, rule.window_s) or 0
    started: dict[str, int] = {}
    finished: dict[str, int] = {}
    for record in records:
        for item_id, event_type, time_ms in zip(record.item_ids, record.event_types, record.times_ms, strict=False):
            if event_type in rule.started and time_ms >= begin_ms:
                started[item_id] = max(time_ms, started.get(item_id, 0))
            elif event_type in rule.finished:
                finished[item_id] = max(time_ms, finished.get(item_id, 0))
    left = [(time_ms, item_id) for item_id, time_ms in started.items() if finished.get(item_id, -1) < time_ms]
    return [item_id for _, item_id in sorted(left, reverse=True)]
