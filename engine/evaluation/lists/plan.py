"""What to compare on a task of lists, and by what. Imports nothing heavy, so that a command's help needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.evaluation.factorisation import KINDS
from engine.spec.definition import ModelDefinition

Ranks = npt.NDArray[np.int64]
Values = dict[str, npt.NDArray[np.float64]]

HOUR_MS: Final = 3_600_000
POPULAR: Final[dict[str, int | None]] = {
    "popular": None,
    "popular, last 24 h": 24 * HOUR_MS,
    "popular, last 1 h": HOUR_MS,
}
MODELS: Final = ("two_tower", "matrix_factorisation")


@dataclass(frozen=True, slots=True)
class Metrics:
    """Which metrics, at which lengths of list: names `hit_rate_at_<k>`, `recall_at_<k>`, `ndcg_at_<k>`."""

    kinds: Sequence[str]
    lengths: Sequence[int]

    def of_users(self, ranks: Ranks, owners: Ranks, sizes: Ranks) -> Values:
        """float64[m] by name. `ranks`[t] is the place from 0 of a sought item of user row `owners`[t]; `sizes`[m] how many it seeks.

        recall = found / sought. NDCG = Σ 1 / log2(rank + 2) over its highest possible value, at most k items found (Järvelin and
        Kekäläinen, 2002).
        """
        num = sizes.size
        values: Values = {}
        for length in self.lengths:
            found = ranks < length
            hits = np.bincount(owners[found], minlength=num)
            gains = np.bincount(owners[found], weights=1.0 / np.log2(ranks[found] + 2.0), minlength=num)
            ideal = np.r_[0.0, np.cumsum(1.0 / np.log2(np.arange(length) + 2.0))][np.minimum(sizes, length)]
            named = {"hit_rate": (hits > 0).astype(np.float64), "recall": hits / sizes, "ndcg": gains / ideal}
            values |= {f"{kind}_at_{length}": named[kind] for kind in self.kinds}
        return values


@dataclass(frozen=True, slots=True)
class Schedule:
    """At most `max_epochs`; with `patience`, training stops when so many epochs in a row have not raised NDCG@10 on held-out clicks."""

    max_epochs: int = 30
    patience: int | None = 3


@dataclass(frozen=True, slots=True)
class ListPlan:
    """What to compare. `models`: kinds of Freshet's architectures, each trained once for each of `seeds`; `definition` one more."""

    metrics: Metrics
    models: Sequence[str] = MODELS
    definition: ModelDefinition | None = None
    seeds: Sequence[int] = (17,)
    schedule: Schedule = field(default_factory=Schedule)
    baselines: Sequence[str] = (*POPULAR, "co-occurrence", *KINDS)
