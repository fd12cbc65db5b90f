"""What a list needs no learning for: popularity in several windows, co-occurrence, and blends of the two, in replay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.evaluation.replay.active import ActiveItems
from engine.evaluation.replay.click_log import ClickLog, chain, items_at, previous_same
from engine.evaluation.replay.cooccurrence import CoOccurrence
from engine.evaluation.replay.counters import SlidingCounts
from engine.evaluation.replay.moments import HOUR_MS, moments, rank_of_targets

Scores = npt.NDArray[np.float32]

WINDOWS_H: Final = (1, 6, 24)
BLEND_WEIGHTS: Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
HALF_LIFE_H: Final = 6
SEED_ITEMS: Final = 10


@dataclass(slots=True)
class FloorRanks:
    """By predictor the rank (from 0) that each predicted click's item had, int64[m]; `clicks` int64[m] are their places in the log."""

    clicks: npt.NDArray[np.int64]
    ranks: dict[str, npt.NDArray[np.int64]] = field(default_factory=dict)


def replay_floors(
    log: ClickLog,
    predicted: npt.NDArray[np.bool_],
    *,
    refresh_ms: int = 60_000,
    on_progress: Callable[[int], None] = lambda _: None,
) -> FloorRanks:
    """Rank the item of every click that `predicted` bool[n] marks among all items, from the clicks before the last refresh.

    Items of the session so far are left out of every list. Predictors: `popular_<w>h`; `co-occurrence` (sum over the session's items,
    half-life 6 h, filled up by the last hour's popularity); `blend_<w>`: last-hour share + w · share among what co-occurs.
    """
    counts = {hours: SlidingCounts(log.items, log.times_ms, log.num_items, hours * HOUR_MS) for hours in WINDOWS_H}
    together = CoOccurrence(log, HALF_LIFE_H * HOUR_MS)
    session_before = previous_same(log.sessions)
    active = ActiveItems(log.num_items)
    found: dict[str, list[npt.NDArray[np.int64]]] = {}
    for moment in moments(log, refresh_ms):
        clicks = moment.start + np.flatnonzero(predicted[moment.start : moment.end])
        on_progress(moment.end - moment.start)
        if not clicks.size:
            continue
        for each in counts.values():
            each.advance(moment.time_ms)
        together.advance(moment.start)
        active.set(np.flatnonzero(counts[max(WINDOWS_H)].counts > 0))
        session = items_at(log.items, chain(session_before, clicks, SEED_ITEMS))
        co_occurring = together.scores(
            session, np.ones(session.shape, np.float32), active.column_of, len(active), moment.time_ms
        )
        popular = {hours: each.counts[active.items] for hours, each in counts.items()}
        left_out = active.marked(_whole_session(log, session_before, clicks, session))
        targets = active.columns(log.items[clicks].astype(np.int64))
        for name, scores in floor_scores(popular, co_occurring).items():
            found.setdefault(name, []).append(rank_of_targets(np.where(left_out, -np.inf, scores), targets))
    names = list(found)
    return FloorRanks(np.flatnonzero(predicted), {name: np.concatenate(found[name]) for name in names})


def floor_scores(popular: dict[int, Scores], co_occurring: Scores) -> dict[str, Scores]:
    """By predictor float32[m, n] or [1, n], from windowed counts float32[n] and co-occurrence float32[m, n]."""
    hour = popular[min(popular)]
    share = hour / max(float(hour.sum()), 1.0)
    totals = co_occurring.sum(axis=1, keepdims=True)
    shares = co_occurring / np.maximum(totals, np.float32(1e-9))
    shape = co_occurring.shape
    scores = {f"popular_{hours}h": np.broadcast_to(counts, shape) for hours, counts in popular.items()}
    # Any co-occurrence goes before all that is merely popular.
    scores["co-occurrence"] = np.where(co_occurring > 0, 1.0 + shares, share)
    return scores | {f"blend_{weight:g}": share + np.float32(weight) * shares for weight in BLEND_WEIGHTS}


def _whole_session(
    log: ClickLog,
    session_before: npt.NDArray[np.int64],
    clicks: npt.NDArray[np.int64],
    newest: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Every earlier item of the sessions; `newest` are the first columns of it, and usually all."""
    length = newest.shape[1]
    while newest.size and (newest[:, -1] >= 0).any():
        length *= 4
        newest = items_at(log.items, chain(session_before, clicks, length))
    return newest


def hit_rates(ranks: npt.NDArray[np.int64], lengths: Sequence[int] = (10,)) -> dict[str, float]:
    """`hit_rate_at_<k>` and `mrr_at_<k>` of ranks from 0."""
    values: dict[str, float] = {}
    for length in lengths:
        hits = ranks < length
        values[f"hit_rate_at_{length}"] = float(hits.mean()) if ranks.size else 0.0
        values[f"mrr_at_{length}"] = float((hits / (ranks + 1.0)).mean()) if ranks.size else 0.0
    return values
