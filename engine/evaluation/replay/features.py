"""The numbers that describe a click's candidates, each as of the last refresh: counters, rates, co-occurrence, ages, ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.evaluation.replay.active import ActiveItems
from engine.evaluation.replay.click_log import ClickLog, Codes, chain, items_at, previous_same
from engine.evaluation.replay.cooccurrence import CoOccurrence
from engine.evaluation.replay.counters import DecayedSums, SlidingCounts
from engine.evaluation.replay.moments import HOUR_MS, Moment

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]

MINUTE_MS: Final = 60_000
WINDOWS_MS: Final = {"10m": 10 * MINUTE_MS, "1h": HOUR_MS, "24h": 24 * HOUR_MS}
HALF_LIVES_MS: Final = {"5m": 5 * MINUTE_MS, "30m": 30 * MINUTE_MS, "3h": 3 * HOUR_MS}
CONTEXT_HALF_LIFE_MS: Final = HOUR_MS
SESSION_ITEMS: Final = 5
HISTORY_ITEMS: Final = 20
KNOWN_ITEMS: Final = 60
_STAGES: Final = 3


@dataclass(frozen=True, slots=True)
class Asked:
    """What a moment's clicks look like before they happen: m clicks, n items in play.

    session, history, known int64[m, s]: items of the session, of the user's last clicks, and of everything looked back on, newest
    first, -1 for none. `stage` int64[m]: 0 for a session's first click, 1, 2 for later. `together` float32[m, n] by name.
    """

    clicks: Places
    session: Places
    history: Places
    stage: Places
    seen_in_session: npt.NDArray[np.bool_]
    seen_before: npt.NDArray[np.bool_]
    together: dict[str, Floats]


class CandidateFeatures:
    """Counters over a log as of a moment that moves forward, and the numbers of (click, item) pairs read from them."""

    def __init__(self, log: ClickLog) -> None:
        self._log = log
        self.active = ActiveItems(log.num_items)
        self._in_session, self._of_user = previous_same(log.sessions), previous_same(log.users)
        self._stages = _stages(self._in_session)
        self._windows = {
            name: SlidingCounts(log.items, log.times_ms, log.num_items, width) for name, width in WINDOWS_MS.items()
        }
        self._decayed = {name: DecayedSums(log.num_items, half_life) for name, half_life in HALF_LIVES_MS.items()}
        self._by_context = {
            name: _ContextCounts(log, codes) for name, codes in {"stage": self._stages, **log.context}.items()
        }
        self._pairs = {
            "together_6h": CoOccurrence(log, 6 * HOUR_MS),
            "together_1h": CoOccurrence(log, HOUR_MS),
            "next_2h": CoOccurrence(log, 2 * HOUR_MS, depth=1, directed=True),
            "user_12h": CoOccurrence(log, 12 * HOUR_MS, depth=10, keys=log.users.astype(np.int64)),
        }
        self._first_ms = np.full(log.num_items, np.iinfo(np.int64).max, np.int64)
        self._last_ms = np.zeros(log.num_items, np.int64)
        self._done = 0
        self._moment_ms = 0

    @property
    def names(self) -> list[str]:
        """What the columns of `of_pairs` are."""
        counts = [f"clicks_{name}" for name in (*WINDOWS_MS, *HALF_LIVES_MS)]
        contexts = [f"{kind}_{name}" for name in self._by_context for kind in ("clicks", "permille")]
        pairs = [f"{kind}_{name}" for name in self._pairs for kind in ("count", "permille")]
        own = ["age_h", "idle_min", "rank_1h", "rank_5m", "seen_before"]
        return [*counts, *contexts, *pairs, *own]

    def advance(self, moment: Moment) -> None:
        """Count every click before the moment."""
        log, new = self._log, slice(self._done, moment.start)
        items, times_ms = log.items[new], log.times_ms[new]
        for window in self._windows.values():
            window.advance(moment.time_ms)
        for decayed in self._decayed.values():
            decayed.add(items, times_ms)
        for context in self._by_context.values():
            context.advance(new)
        for pairs in self._pairs.values():
            pairs.advance(moment.start)
        np.minimum.at(self._first_ms, items, times_ms)
        np.maximum.at(self._last_ms, items, times_ms)
        self._done, self._moment_ms = moment.start, moment.time_ms
        self.active.set(np.flatnonzero(self._windows["24h"].counts > 0))
        self._of_items = self._item_columns()

    def asked(self, clicks: Places) -> Asked:
        """The clicks' sessions, histories and co-occurrence with every item in play; nothing about the clicks' own items."""
        log = self._log
        known = items_at(log.items, chain(self._of_user, clicks, KNOWN_ITEMS))
        session = items_at(log.items, chain(self._in_session, clicks, KNOWN_ITEMS))
        history = known[:, :HISTORY_ITEMS]
        recent = session[:, :SESSION_ITEMS]
        together = {
            "together_6h": self._together("together_6h", recent),
            "together_1h": self._together("together_1h", recent),
            "next_2h": self._together("next_2h", session[:, :1]),
            "user_12h": self._together("user_12h", history[:, :10]),
        }
        return Asked(
            clicks=clicks,
            session=recent,
            history=history,
            stage=self._stages[clicks].astype(np.int64),
            seen_in_session=self.active.marked(session),
            seen_before=self.active.marked(known),
            together=together,
        )

    def of_pairs(self, asked: Asked, rows: Places, columns: Places) -> Floats:
        """float32[p, len(names)] of pairs (row of `asked`, column of the items in play), counts as they are."""
        items, clicks = self.active.items[columns], asked.clicks[rows]
        parts = [self._of_items[columns]]
        for name, context in self._by_context.items():
            codes = (self._stages if name == "stage" else self._log.context[name])[clicks]
            parts.append(context.of(items, codes, self._moment_ms))
        for name, counted in asked.together.items():
            pair_counts = counted[rows, columns]
            totals = self._totals(name, asked)[rows]
            parts.append(np.stack([pair_counts, 1000 * pair_counts / (totals + 1)], axis=1))
        parts.append(self._ages[columns])
        parts.append(asked.seen_before[rows, columns].astype(np.float32)[:, np.newaxis])
        return np.concatenate(parts, axis=1)

    def popularity(self, name: str = "1h") -> Floats:
        """float32[n]: clicks of each item in play within a window."""
        return self._windows[name].counts[self.active.items]

    def newest(self, num_items: int) -> Places:
        """Columns of the items in play that were first clicked last."""
        first = self._first_ms[self.active.items]
        return np.argsort(-first, kind="stable")[:num_items]

    def _together(self, name: str, seeds: Places) -> Floats:
        weights = np.ones(seeds.shape, np.float32)
        return self._pairs[name].scores(seeds, weights, self.active.column_of, len(self.active), self._moment_ms)

    def _totals(self, name: str, asked: Asked) -> Floats:
        seeds = {"next_2h": asked.session[:, :1], "user_12h": asked.history[:, :10]}.get(name, asked.session)
        sums: Floats = self._pairs[name].row_sums(self._moment_ms, seeds).sum(axis=1)
        return sums

    def _item_columns(self) -> Floats:
        items, now_ms = self.active.items, self._moment_ms
        windows = [window.counts[items] for window in self._windows.values()]
        decayed = [each.at(now_ms, items) for each in self._decayed.values()]
        age_h = (now_ms - self._first_ms[items]) / HOUR_MS
        idle_min = (now_ms - self._last_ms[items]) / MINUTE_MS
        ranks = [_ranks(windows[1]), _ranks(decayed[0])]
        self._ages = np.stack([age_h, idle_min, *ranks], axis=1).astype(np.float32)
        return np.stack([*windows, *decayed], axis=1).astype(np.float32)


class _ContextCounts:
    """Decayed clicks of each item in each context, and the item's share of all clicks in that context, in thousandths."""

    def __init__(self, log: ClickLog, codes: Codes) -> None:
        self._log, self._codes = log, codes
        self._num_codes = int(codes.max(initial=0)) + 1
        self._cells = DecayedSums(log.num_items * self._num_codes, CONTEXT_HALF_LIFE_MS)
        self._totals = DecayedSums(self._num_codes, CONTEXT_HALF_LIFE_MS)

    def advance(self, new: slice) -> None:
        codes, times_ms = self._codes[new], self._log.times_ms[new]
        self._cells.add(self._log.items[new].astype(np.int64) * self._num_codes + codes, times_ms)
        self._totals.add(codes, times_ms)

    def of(self, items: Places, codes: Codes, time_ms: int) -> Floats:
        clicks = self._cells.at(time_ms, items * self._num_codes + codes)
        return np.stack([clicks, 1000 * clicks / (self._totals.at(time_ms, codes) + 1)], axis=1)


def _stages(in_session: Places) -> Codes:
    """int32[n]: how many clicks the session had before, at most `_STAGES` - 1."""
    stages = np.zeros(in_session.size, np.int32)
    for _ in range(_STAGES - 1):
        stages = np.where(in_session >= 0, np.minimum(stages[in_session] + 1, _STAGES - 1), 0).astype(np.int32)
    return stages


def _ranks(values: Floats) -> Floats:
    ranks = np.empty(values.size, np.float32)
    ranks[np.argsort(-values, kind="stable")] = np.arange(values.size, dtype=np.float32)
    return ranks
