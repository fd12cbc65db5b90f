"""From a question to its candidates: what the sources bring, each within its quota."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from engine.errors import EngineError, InvalidDocument
from engine.retrieval.allowed import RequestAllowed
from engine.retrieval.asker import Asker
from engine.retrieval.index.vector_rows import Vectors
from engine.retrieval.item_rows import Rows
from engine.retrieval.source import Found, RowSource, Scores
from engine.serving.degraded import Degraded
from engine.serving.gathered import Gathered, fused, merged, mixed
from engine.serving.pipeline_explanation import SourceFinding
from engine.serving.pipeline_question import Question
from engine.serving.project_sources import ProjectSources
from engine.serving.stages import RetrievalStage
from engine.spec.deployment import SourceKind

NO_VECTOR_SCORE: Final = -1.0
"""The least a cosine can be: an item that has no vector yet comes after all that have."""

TRUST: Final = {
    SourceKind.UNFINISHED: 0.9,
    SourceKind.TRENDING_1H: 0.65,
    SourceKind.ITEM_TO_ITEM: 0.3,
    SourceKind.TRENDING_24H: 0.05,
}
"""The weight of what a source brings where no model orders the candidates: the chance that the next action is of it."""

GIVEN: Final = "given"
SIMILAR: Final = "similar"

_MIN_SIMILAR: Final = 100

logger = logging.getLogger(__name__)

_Finding = tuple[str, Found]


class Gathering:
    """The candidates of one deployment's questions. From any thread."""

    def __init__(self, sources: ProjectSources, retrieval: RetrievalStage | None) -> None:
        self._sources = sources
        self._catalogue = sources.catalogue
        self._retrieval = retrieval

    def for_user(self, question: Question) -> Gathered:
        """What the document's sources bring. Of what several bring the first counts. Where the nearest cannot be asked, the others'
        quotas grow into its place, and their shares order the candidates."""
        user = self._user_vector(question)
        wanted = self._wanted(question, with_nearest=user is not None)
        found: list[_Finding] = []
        weights: list[float] = []
        for kind, quota in wanted:
            source = self._nearest(user) if kind is SourceKind.NEAREST else self._sources.of(kind)
            if source is not None:
                found.append((source.name, self._asked(question, source, quota)))
                if kind is SourceKind.NEAREST:
                    self._note_what_rules_drop(question, source, quota)
                weights.append(TRUST.get(kind, 0.0))
        most = _most(question)
        gathered = mixed(found, weights) if user is None else merged(found, self._scored(user))
        return self._filled(question, gathered.first(most), most, to_the_brim=user is None, user=user)

    def given(self, question: Question, rows: Rows) -> Gathered:
        """The request's own candidates as far as they are allowed. They are scored only if no ranking model will."""
        kept = rows[question.allowed.keep(rows)]
        found = Found(kept, np.zeros(kept.size, np.float32))
        if "ranking" in question.positions:
            question.positions.pop("retrieval", None)
            return merged([(GIVEN, found)], lambda own: np.zeros(own.size, np.float32))
        user = self._user_vector(question)
        if user is None:
            return merged([(GIVEN, found)], lambda own: np.zeros(own.size, np.float32))
        return merged([(GIVEN, found)], self._scored(user))

    def similar(self, question: Question, row: int) -> Gathered:
        """What goes with the item in row `row` by what users do, and what is near to it by the model's vectors: both lists fused by
        rank. The deployment's other sources where neither knows anything."""
        num = max(_MIN_SIMILAR, 2 * question.request.k)
        found: list[_Finding] = []
        near = self._near(question, row)
        if near is not None:
            found.append((SIMILAR, self._asked(question, near, num)))
        together = self._sources.of(SourceKind.ITEM_TO_ITEM)
        if together is not None:
            asker = replace(question.asker, history=(question.request.item_id,))
            found.append((together.name, self._asked(question, together, num, asker=asker)))
        gathered = fused([each for each in found if len(each[1])])
        if len(gathered):
            return gathered
        question.reasons.add(Degraded.NOTHING_SIMILAR, "no source knows what goes with the item")
        return self.for_user(question)

    def _note_what_rules_drop(self, question: Question, nearest: RowSource, quota: int) -> None:
        """For an explanation: which of those nearest without any rule are not allowed. An index that knows what is allowed asks of none."""
        explanation = question.explanation
        if explanation is not None and explanation.allowed is not None:
            found = nearest.retrieve(question.asker, quota, RequestAllowed(self._catalogue, []))
            explanation.allowed.keep(found.rows)

    def _near(self, question: Question, row: int) -> RowSource | None:
        retrieval = self._retrieval
        if retrieval is None or retrieval.role not in question.positions:
            return None
        vector = retrieval.vectors_of(np.array([row], np.int32))[0]
        return retrieval.nearest(vector, SIMILAR) if vector.any() else None

    def _wanted(self, question: Question, *, with_nearest: bool) -> list[tuple[SourceKind, int]]:
        """Kinds with their quotas. The nearest bring enough for the answer."""
        declared = question.rules.document.retrieval
        if with_nearest:
            return [
                (one.kind, max(one.quota, question.request.k) if one.kind is SourceKind.NEAREST else one.quota)
                for one in declared.sources
            ]
        others = [one for one in declared.sources if one.kind is not SourceKind.NEAREST]
        total = sum(one.quota for one in others)
        growth = max(1.0, declared.max_candidates / total) if len(others) < len(declared.sources) and total else 1.0
        return [(one.kind, round(one.quota * growth)) for one in others]

    def _nearest(self, user: Vectors | None) -> RowSource | None:
        return None if self._retrieval is None or user is None else self._retrieval.nearest(user)

    def _scored(self, user: Vectors) -> Callable[[Rows], Scores]:
        retrieval = self._retrieval
        assert retrieval is not None
        return lambda rows: retrieval.scores_of(user, rows, NO_VECTOR_SCORE)

    def _filled(
        self, question: Question, gathered: Gathered, most: int, *, to_the_brim: bool, user: Vectors | None
    ) -> Gathered:
        """With items of the catalogue, its newest where it is small, any where it is big, if there are fewer than asked for: or fewer
        than `most` where no model chose the others."""
        missing = most - len(gathered) if to_the_brim else question.request.k - len(gathered)
        if missing <= 0:
            return gathered
        is_small = self._catalogue.num_items <= most
        filler = self._sources.everything if is_small else self._sources.of(SourceKind.RANDOM)
        assert filler is not None
        found = self._asked(question, filler, most if is_small else missing)
        new = found.rows[~np.isin(found.rows, gathered.rows)][:missing]
        scores = np.zeros(new.size, np.float32) if user is None else self._scored(user)(new)
        return gathered.with_rows(new, filler.name, scores)

    def _user_vector(self, question: Question) -> Vectors | None:
        """float32[dim], or None: the document does not ask for the nearest, or the model cannot answer or knows nothing of this user."""
        retrieval = self._retrieval
        if retrieval is None or retrieval.role not in question.positions:
            return None
        kinds = [source.kind for source in question.rules.document.retrieval.sources]
        if SourceKind.NEAREST not in kinds and not question.request.candidates:
            del question.positions[retrieval.role]
            return None
        try:
            vector = retrieval.user_vector(question.asker)
        except Exception as error:
            logger.exception("retrieval model %s failed", retrieval.model.title)
            said = error.message if isinstance(error, EngineError) else type(error).__name__
            question.reasons.add(Degraded.RETRIEVAL_FAILED, f"retrieval model {retrieval.model.title} failed: {said}")
            del question.positions[retrieval.role]
            return None
        if not vector.any():
            question.reasons.add(
                Degraded.EMPTY_USER, f"retrieval model {retrieval.model.title} knows nothing of this user"
            )
            return None
        return vector

    def _asked(self, question: Question, source: RowSource, quota: int, asker: Asker | None = None) -> Found:
        """What a source brings; a source that fails must not take the answer with it. Raises `InvalidDocument` for a parameter of a filter
        that the request lacks."""
        explanation = question.explanation
        started_s = 0.0 if explanation is None else explanation.stopwatch()
        try:
            found = source.retrieve(asker or question.asker, quota, question.allowed)
        except InvalidDocument:
            raise
        except Exception as error:
            logger.exception("source %s failed", source.name)
            question.reasons.add(Degraded.RETRIEVAL_FAILED, f"source {source.name} failed: {type(error).__name__}")
            found = Found.nothing()
        if explanation is not None:
            took_ms = (explanation.stopwatch() - started_s) * 1000
            explanation.findings.append(SourceFinding(source.name, quota, found, took_ms))
        return found


def _most(question: Question) -> int:
    return max(question.rules.document.retrieval.max_candidates, question.request.k)
