"""Models that are fitted once a day on everything before, replayed on the same clicks: matrix factorisations of `implicit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from engine.evaluation.factorisation import fitted
from engine.evaluation.replay.click_log import ClickLog, chain, items_at, previous_same
from engine.evaluation.replay.moments import HOUR_MS, rank_of_targets
from engine.evaluation.replay.settings import ReplaySettings

Places = npt.NDArray[np.int64]

REFIT_MS: Final = 24 * HOUR_MS
_SESSION_ITEMS: Final = 60
_CLICKS_AT_ONCE: Final = 512


def replay_batch_models(
    log: ClickLog,
    predicted: npt.NDArray[np.bool_],
    names: Sequence[str],
    settings: ReplaySettings,
    on_progress: Callable[[str, int], None],
) -> dict[str, Places]:
    """By name (`als`, `bpr`) the rank of each predicted click's item, int64[m], by a model fitted at the last `REFIT_MS` of event time.

    A user or an item that the model does not know scores nothing: a miss for the item, a guess for the user.
    """
    return {name: _replay(log, predicted, name, settings, on_progress) for name in names}


def _replay(
    log: ClickLog,
    predicted: npt.NDArray[np.bool_],
    name: str,
    settings: ReplaySettings,
    on_progress: Callable[[str, int], None],
) -> Places:
    clicks = np.flatnonzero(predicted)
    ranks = np.full(clicks.size, log.num_items, np.int64)
    session_before = previous_same(log.sessions)
    first_ms = log.times_ms[clicks[0]] if clicks.size else 0
    days = (log.times_ms[clicks] - first_ms) // REFIT_MS
    done = 0
    for day in np.unique(days).tolist():
        end = int(np.searchsorted(log.times_ms, first_ms + day * REFIT_MS, "left"))
        users, items = _factors(log, end, name, settings.seed)
        known = np.bincount(log.items[:end], minlength=log.num_items) > 0
        of_day = np.flatnonzero(days == day)
        for start in range(0, of_day.size, _CLICKS_AT_ONCE):
            chosen = of_day[start : start + _CLICKS_AT_ONCE]
            asked = clicks[chosen]
            scores = users[log.users[asked]] @ items.T
            scores[:, ~known] = -np.inf
            session = items_at(log.items, chain(session_before, asked, _SESSION_ITEMS))
            rows = np.broadcast_to(np.arange(asked.size)[:, np.newaxis], session.shape)
            scores[rows[session >= 0], session[session >= 0]] = -np.inf
            ranks[chosen] = rank_of_targets(scores, log.items[asked].astype(np.int64))
        on_progress(name, end - done)
        done = end
    on_progress(name, len(log) - done)
    return ranks


def _factors(log: ClickLog, end: int, name: str, seed: int) -> tuple[Any, Any]:
    shape = (log.num_users, log.num_items)
    ones = np.ones(end, np.float32)
    clicked = sp.csr_matrix((ones, (log.users[:end], log.items[:end])), shape=shape)
    clicked.data[:] = 1.0
    return fitted(name, clicked, seed)
