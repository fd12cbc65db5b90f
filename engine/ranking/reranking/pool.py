"""What reranking takes and gives: columns over the candidates of one request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engine.spec.score import FirstTask, Score
from engine.spec.task import Task

Rows = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NO_VALUE = -1


@dataclass(frozen=True, slots=True)
class ValueLists:
    """Several values of each of n candidates, as codes: those of candidate i are `codes[offsets[i]:offsets[i + 1]]`.

    offsets int64[n + 1], codes int32[nnz], each once within a candidate. Codes below 0 are no value.
    """

    offsets: Places
    codes: Rows

    def of(self, places: Places) -> ValueLists:
        """Those of some candidates, in the order given."""
        starts, lengths = self.offsets[places], self.offsets[places + 1] - self.offsets[places]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return ValueLists(offsets, self.codes[np.repeat(starts, lengths) + within])


Values = Rows | ValueLists
"""A property of n candidates as codes: int32[n] with -1 for none, or lists of them."""

Likeness = Callable[[Rows], Scores]
"""How alike m items are, by their rows int32[m]: float32[m, m], symmetric, 1 on the diagonal, from -1 to 1."""


@dataclass(frozen=True, slots=True)
class Pool:
    """n candidates of one request. Every array has n rows in the same order; of equals the earlier is preferred.

    `rows` int32[n], each once: what may be answered and nothing else (what is excluded, filtered, hidden, or seen under the policy
    `drop` is not here, so that no promotion can bring it). `scores` float32[n], finite, the greater the better: the ranking model's,
    or retrieval's own. `by_task` float32[n, num_tasks] has the predictions of the ranking model's `tasks`, of which it makes its own
    score by `model_score`; None where no ranking model answered, and then the document's formula is passed over.

    `seen` bool[n] is read under the policy `demote`. `boosts` and `promotions` have for each of the document's, in its order, a bool[n]
    of the candidates that it is for, `caps` for each of the document's the values of its property. `likeness` is that of the document's
    diversity; None where there is nothing to compare by, and then diversity is passed over. `impressions` float64[n] says how often
    each item was shown, `num_impressions` how often all of the catalogue were; None: never.
    """

    rows: Rows
    scores: Scores
    by_task: Scores | None = None
    tasks: tuple[Task, ...] = ()
    model_score: Score = field(default_factory=FirstTask)
    seen: Mask | None = None
    boosts: Sequence[Mask] = ()
    promotions: Sequence[Mask] = ()
    caps: Sequence[Values] = ()
    likeness: Likeness | None = None
    impressions: Doubles | None = None
    num_impressions: float = 0.0

    def __len__(self) -> int:
        return self.rows.size


@dataclass(frozen=True, slots=True)
class Reranked:
    """The answer, m <= k items best first. `order` int64[m]: places in the pool, each once. `scores` float32[m]: what each was ordered by.

    `propensities` float32[m]: the chance that exploration put this item in this place after those before it, so that their product is the
    chance of the whole list; 1 where nothing is drawn. `promotions[i]` names the promotion that placed item i.
    """

    order: Places
    scores: Scores
    propensities: Scores
    promotions: list[str | None]
