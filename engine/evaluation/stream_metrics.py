"""Prequential metrics: of scores and lists given before each example was learned, over sliding windows, overall and by slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.evaluation.auc import Floats
from engine.evaluation.calibration import reliability
from engine.evaluation.coverage import Lists, coverage
from engine.evaluation.hit_rate import LIST_LENGTH, NOT_ASKED, Ranks, hit_rate
from engine.evaluation.ndcg import ndcg
from engine.evaluation.slices import Codes, Slicer
from engine.evaluation.sliding import Columns, SlidingColumns
from engine.evaluation.task_metrics import Says, TaskMetrics, TaskScores, Values, says, values_of
from engine.spec.task import Task

HALF_LIFE_EXAMPLES: Final = 20_000.0
WINDOW_SCORES: Final = 32_768
WINDOW_LISTS: Final = 2_000
_OF_SCORES: Final = ("auc", "grouped_auc", "log_loss", "normalised_entropy", "calibration")


class DecayedMean:
    """Mean of a stream in which each value counts exp2(-age / half_life), age in values."""

    def __init__(self, half_life: float, total: float = 0.0, weight: float = 0.0) -> None:
        self.half_life = half_life
        self.total = total
        self.weight = weight

    def note(self, mean: float, num: int) -> None:
        """Take in `num` values by their mean."""
        decay = 2.0 ** (-num / self.half_life)
        self.total = self.total * decay + mean * num
        self.weight = self.weight * decay + num

    @property
    def value(self) -> float | None:
        return self.total / self.weight if self.weight else None


@dataclass(frozen=True, slots=True)
class Scored:
    """n scores of the first task, in [0, 1] unless it predicts a number, with their labels, float[n]; whose each is, `users` uint64[n];
    and its slices, `codes` uint8[n, s]."""

    scores: Floats
    labels: Floats
    users: npt.NDArray[np.uint64]
    codes: Codes


@dataclass(frozen=True, slots=True)
class Ranked:
    """m clicks: the rank of each one's item in the live and the frozen list, int32[m] (`MISSED` for one not ranked; `NOT_ASKED` without
    a frozen model); the live lists' items, int32[m, k] (`NO_ITEM` where a list is short or was not kept); the slices of each,
    uint8[m, s]; and how many items there are.
    """

    live: Ranks
    frozen: Ranks
    lists: Lists
    codes: Codes
    num_items: int


class StreamMetrics:
    """Metrics of the newest `WINDOW_SCORES` scores and `WINDOW_LISTS` lists; part of the checkpoint. The loss alone decays instead.

    Every value is exact over its window: what is kept are the scores themselves, some 500 kB.
    """

    def __init__(
        self,
        slices: Sequence[str] = (),
        *,
        are_probabilities: bool = True,
        window_scores: int = WINDOW_SCORES,
        tasks: Sequence[Task] = (),
    ) -> None:
        """`slices` are declared sources, as in `Training.slices`. Without probabilities (a retrieval model's cosines) there is no log
        loss, normalised entropy or calibration. `tasks` are those whose metrics are told apart, the first being that of the scores."""
        self.are_probabilities = are_probabilities
        self._tasks = tuple(tasks)
        self.tasks = TaskMetrics(tasks, window_scores)
        self._says = says(tasks[0]) if tasks else Says.PROBABILITY if are_probabilities else Says.ORDER
        self.slicer = Slicer(slices)
        self.loss = DecayedMean(HALF_LIFE_EXAMPLES)
        self.num_items = 0
        codes: dict[str, npt.DTypeLike] = {_code(place): np.uint8 for place in range(len(self.slicer.values))}
        items: dict[str, npt.DTypeLike] = {_item(place): np.int32 for place in range(LIST_LENGTH)}
        scores = {"score": np.float32, "label": np.float32, "user": np.uint64}
        self._scores = SlidingColumns(window_scores, {**scores, **codes})
        self.rankings = SlidingColumns(WINDOW_LISTS, {"live": np.int32, "frozen": np.int32, **codes, **items})

    def emptied(self, window_scores: int = WINDOW_SCORES) -> StreamMetrics:
        """Metrics of the same slices that know of no example yet, over a window of so many scores."""
        slices = self.slicer.as_json()
        metrics = StreamMetrics(
            list(slices), are_probabilities=self.are_probabilities, window_scores=window_scores, tasks=self._tasks
        )
        metrics.slicer.restore(slices)
        return metrics

    def note(self, loss: float, scored: Scored, tasks: Mapping[str, TaskScores] | None = None) -> None:
        """A step's loss and scores, from before it; `tasks` by name where there are several."""
        if tasks:
            self.tasks.note(tasks)
        if not scored.scores.size:
            return
        self.loss.note(loss, scored.scores.size)
        self._scores.push(score=scored.scores, label=scored.labels, user=scored.users, **_spread(scored.codes, _code))

    def note_ranking(self, ranked: Ranked) -> None:
        """Lists made for clicks before they were learned."""
        self.num_items = ranked.num_items
        self.rankings.push(
            live=ranked.live, frozen=ranked.frozen, **_spread(ranked.codes, _code), **_spread(ranked.lists, _item)
        )

    def values(self) -> Values:
        """`loss`, what `_of_scores` and `_of_lists` answer of all, and `TaskMetrics.values`; None where nothing can be said (yet)."""
        scores, lists = self._scores.columns(), self.rankings.columns()
        return {"loss": self.loss.value, **self._of_scores(scores), **self._of_lists(lists), **self.tasks.values()}

    def slices(self) -> dict[str, dict[str, dict[str, float | int | None]]]:
        """The same by slice and value, without the loss, with `num_scores` and `num_lists`; values that nothing is of are left out."""
        scores, lists = self._scores.columns(), self.rankings.columns()
        answer: dict[str, dict[str, dict[str, float | int | None]]] = {}
        for place, (name, words) in enumerate(self.slicer.values.items()):
            answer[name] = {}
            for number, word in enumerate(words):
                own_scores, own_lists = (_chosen(each, _code(place), number) for each in (scores, lists))
                nums = {"num_scores": len(own_scores["score"]), "num_lists": len(own_lists["live"])}
                if any(nums.values()):
                    answer[name][word] = {**nums, **self._of_scores(own_scores), **self._of_lists(own_lists)}
        return answer

    def reliability(self) -> list[dict[str, float | int]]:
        """See `engine.evaluation.calibration.reliability`; empty where scores are no probabilities."""
        columns = self._scores.columns()
        return reliability(columns["score"], columns["label"]) if self.are_probabilities else []

    def _of_scores(self, columns: Columns) -> Values:
        """Of the first task. One that predicts a number has none of these: its own are among those of the tasks."""
        if self._says is Says.NUMBER:
            return dict.fromkeys(_OF_SCORES)
        return values_of(self._says, columns["score"], columns["label"], columns["user"])

    def _of_lists(self, columns: Columns) -> Values:
        compared = columns["frozen"] != NOT_ASKED
        if (
            compared.any()
        ):  # the lists of a batch run, made while it knew little, would speak against the live model alone
            columns = {name: column[compared] for name, column in columns.items()}
        lists = np.stack([columns[_item(place)] for place in range(LIST_LENGTH)], axis=1)
        return {
            "hr_at_10": hit_rate(columns["live"]),
            "hr_at_10_frozen": hit_rate(columns["frozen"]),
            "ndcg_at_10": ndcg(columns["live"]),
            "coverage_at_10": coverage(lists, self.num_items),
        }

    def as_json(self) -> dict[str, Any]:
        """All but the windows."""
        return {
            "loss": [self.loss.total, self.loss.weight],
            "num_items": self.num_items,
            "slices": self.slicer.as_json(),
        }

    def windows(self) -> dict[str, pa.Table]:
        """Copies of the windows, by name."""
        return {"scores": self._scores.to_arrow(), "rankings": self.rankings.to_arrow(), **self.tasks.windows()}

    def restore(self, document: Mapping[str, Any], windows: Mapping[str, pa.Table]) -> None:
        """Take over what another of the same slices said of itself; raises ValueError, KeyError or TypeError for what none did.

        An older checkpoint has no windows: they begin anew, empty.
        """
        self.loss = DecayedMean(HALF_LIFE_EXAMPLES, *document["loss"])
        if "slices" not in document:
            return
        self.slicer.restore(document["slices"])
        self.num_items = int(document["num_items"])
        for name, own in (("scores", self._scores), ("rankings", self.rankings)):
            if not own.take_over(windows[name]):
                raise ValueError(f"window {name}: its columns are {windows[name].schema.names}")
        self.tasks.restore(windows)


def _code(place: int) -> str:
    return f"slice_{place}"


def _item(place: int) -> str:
    return f"item_{place}"


def _spread(matrix: npt.NDArray[Any], name_of: Any) -> Columns:
    return {name_of(place): matrix[:, place] for place in range(matrix.shape[1])}


def _chosen(columns: Columns, name: str, value: int) -> Columns:
    mask = columns[name] == value
    return {key: column[mask] for key, column in columns.items()}
