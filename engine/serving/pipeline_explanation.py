"""What an answer was made of, collected only for requests that ask for it (docs/explain.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import orjson

from engine.ranking.ranked import Contributions, Ranked
from engine.ranking.reranking.pool import Reranked
from engine.ranking.reranking.trace import Trace
from engine.retrieval.allowed import NotingAllowed
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import Rows
from engine.retrieval.source import Found, Scores
from engine.serving.gathered import Gathered
from engine.spec.task import Task

MAX_DROPPED: Final = 200
"""So many dropped items are named; all are counted."""


@dataclass(frozen=True, slots=True)
class SourceFinding:
    name: str
    quota: int
    found: Found
    took_ms: float


@dataclass(slots=True)
class Explanation:
    """Filled as the pipeline goes on. `stopwatch` in seconds. `about` int32[m]: what is named first of what was dropped."""

    stopwatch: Callable[[], float]
    allowed: NotingAllowed | None = None
    findings: list[SourceFinding] = field(default_factory=list)
    took_ms: dict[str, float] = field(default_factory=dict)
    num_merged: int = 0
    candidates: Rows = field(default_factory=lambda: np.empty(0, np.int32))
    retrieval_scores: Scores = field(default_factory=lambda: np.empty(0, np.float32))
    model_scores: Scores | None = None
    by_task: Scores | None = None
    tasks: Sequence[Task] = ()
    gone: Rows = field(default_factory=lambda: np.empty(0, np.int32))
    trace: Trace = field(default_factory=Trace)
    contributions: Contributions | None = None
    about: Rows = field(default_factory=lambda: np.empty(0, np.int32))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        started_s = self.stopwatch()
        try:
            yield
        finally:
            self.took_ms[stage] = self.took_ms.get(stage, 0.0) + (self.stopwatch() - started_s) * 1000

    def take_scored(self, candidates: Gathered, ranked: Ranked | None) -> None:
        self.candidates, self.retrieval_scores = candidates.rows, candidates.scores
        if ranked is not None:
            self.model_scores, self.by_task = ranked.scores, ranked.by_task

    def to_json(
        self,
        catalogue: Catalogue,
        reranked: Reranked | None,
        answered: Rows,
        *,
        models: list[dict[str, Any]],
        details: list[str],
        revision: int,
    ) -> bytes:
        """`answered` int32[m]: the rows of the answer, best first; `reranked` chose them among `candidates`."""
        items = _Items(self, catalogue, reranked, answered)
        document = {
            "num_ranked": 0 if self.model_scores is None else int(self.candidates.size),
            "revision": revision,
            "models": models,
            "stages": [{"stage": stage, "took_ms": round(took, 3)} for stage, took in self.took_ms.items()],
            "sources": [
                {
                    "name": each.name,
                    "quota": each.quota,
                    "num_found": len(each.found),
                    "took_ms": round(each.took_ms, 3),
                }
                for each in self.findings
            ],
            "num_found": sum(len(each.found) for each in self.findings),
            "num_merged": self.num_merged,
            "num_candidates": int(self.candidates.size),
            "details": details,
            "items": items.as_json(),
            **self._dropped(catalogue, items),
        }
        return orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)

    def _dropped(self, catalogue: Catalogue, items: _Items) -> dict[str, Any]:
        """By the rules that sources obeyed, because they went meanwhile, and in the end because others were better."""
        dropped: list[tuple[int, str, str]] = []
        if self.allowed is not None:
            dropped += [(row, "retrieval", why) for row, why in self.allowed.broken.items()]
        dropped += [(row, "ranking", "not_servable") for row in self.gone.tolist()]
        if items.order is not None:
            whys = {note.place: (note.stage, note.why) for note in self.trace.notes if note.stage == "caps"}
            chosen = set(items.order.tolist())
            places = [place for place in items.by_final_score() if place not in chosen]
            for place in places:
                stage, why = whys.get(place, ("reranking", "others_scored_higher"))
                dropped.append((int(self.candidates[place]), stage, why))
        counts = Counter((stage, why) for _, stage, why in dropped)
        if self.about.size:
            named = set(self.about.tolist())
            dropped.sort(key=lambda each: each[0] not in named)
        ids = catalogue.ids_of(np.array([row for row, _, _ in dropped[:MAX_DROPPED]], np.int32))
        return {
            "num_dropped": [{"stage": stage, "why": why, "num": num} for (stage, why), num in counts.items()],
            "dropped": [
                {"item_id": item_id, "stage": stage, "why": why}
                for item_id, (_, stage, why) in zip(ids, dropped, strict=False)
            ],
        }


class _Items:
    """The part about the items answered."""

    def __init__(
        self, explanation: Explanation, catalogue: Catalogue, reranked: Reranked | None, answered: Rows
    ) -> None:
        self._about = explanation
        self._ids = catalogue.ids_of(answered)
        self._rows = answered.tolist()
        self.order = None if reranked is None else reranked.order
        self._reranked = reranked
        self._place_of = {row: place for place, row in enumerate(explanation.candidates.tolist())}
        self._ranks = {stage: _ranks(scores) for stage, scores in self._stage_scores()}
        self._found_at = [
            (each.name, {row: at for at, row in enumerate(each.found.rows.tolist())}, each.found.scores)
            for each in explanation.findings
        ]

    def by_final_score(self) -> list[int]:
        """Places of candidates, by the scores after the last stage that changed some."""
        scores = list(self._about.trace.scores.values())
        last = scores[-1] if scores else self._about.retrieval_scores
        order: list[int] = np.argsort(-last, kind="stable").tolist()
        return order

    def as_json(self) -> list[dict[str, Any]]:
        return [self._item(number) for number in range(len(self._ids))]

    def _item(self, number: int) -> dict[str, Any]:
        about, row = self._about, self._rows[number]
        place = self._place_of[row]
        item: dict[str, Any] = {
            "item_id": self._ids[number],
            "place": number + 1,
            "sources": self._sources(row),
            "retrieval_score": float(about.retrieval_scores[place]),
        }
        if about.model_scores is not None:
            item["model_score"] = float(about.model_scores[place])
        if about.by_task is not None:
            predictions = about.by_task[place].tolist()
            item["tasks"] = {task.name: value for task, value in zip(about.tasks, predictions, strict=False)}
        item["scores"] = {stage: float(scores[place]) for stage, scores in self._stage_scores()}
        item["ranks"] = {stage: int(ranks[place]) for stage, ranks in self._ranks.items()}
        item["rules"] = [{"stage": note.stage, "why": note.why} for note in about.trace.notes if note.place == place]
        if self._reranked is not None:
            item["propensity"] = float(self._reranked.propensities[number])
            item["promotion"] = self._reranked.promotions[number]
        if about.contributions is not None and number < len(about.contributions.values):
            values = about.contributions.values[number].tolist()
            item["contributions"] = dict(zip(about.contributions.names, values, strict=True))
        return item

    def _sources(self, row: int) -> list[dict[str, Any]]:
        return [
            {"name": name, "rank": at[row] + 1, "score": float(scores[at[row]])}
            for name, at, scores in self._found_at
            if row in at
        ]

    def _stage_scores(self) -> list[tuple[str, Scores]]:
        about = self._about
        stages: list[tuple[str, Scores]] = [("retrieval", about.retrieval_scores)]
        if about.model_scores is not None:
            stages.append(("model", about.model_scores))
        return stages + list(about.trace.scores.items())


def _ranks(scores: Scores) -> Any:
    """int64[n]: 1 for the greatest, of equals the earlier."""
    ranks = np.empty(scores.size, np.int64)
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, scores.size + 1)
    return ranks
