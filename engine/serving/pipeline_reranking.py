"""From scored candidates to the answer's places: what the rules of the document need to know of each candidate, in columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from engine.ranking.reranking.likeness import cosine_likeness, property_likeness
from engine.ranking.reranking.pool import Likeness, Pool, Reranked, Scores, ValueLists, Values
from engine.ranking.reranking.rerank import rerank
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import Rows
from engine.retrieval.property_column import BooleanColumn, NumberColumn, TextColumn
from engine.serving.pipeline_promoting import Promoting
from engine.serving.pipeline_question import Question
from engine.serving.pipeline_ranking import Scored
from engine.serving.project_state import ProjectState
from engine.serving.stages import RankingStage, RetrievalStage
from engine.spec.deployment import (
    DeterminantalPointProcess,
    MaximalMarginalRelevance,
    SeenPolicy,
    ThompsonSampling,
    UpperConfidence,
)
from engine.spec.schema import PropertyType, Schema
from engine.spec.score import FirstTask

BY_EMBEDDING: Final = "embedding"


class Reranking:
    """The reranking of one deployment. From any thread."""

    def __init__(
        self,
        state: ProjectState,
        retrieval: RetrievalStage | None,
        ranking: RankingStage | None,
        promoting: Promoting,
    ) -> None:
        self._promoting = promoting
        self._state = state
        self._catalogue = state.catalogue
        self._retrieval = retrieval
        self._definition = None if ranking is None else ranking.model.ref.definition

    def rerank(self, question: Question, scored: Scored) -> Reranked:
        """The best `k` by the document's rules."""
        explanation = question.explanation
        trace = None if explanation is None else explanation.trace
        pool = self._pool(question, scored)
        return rerank(question.rules.document, pool, question.request.k, question.draws, trace)

    def _pool(self, question: Question, scored: Scored) -> Pool:
        rules, rows, ranked = question.rules, scored.candidates.rows, scored.ranked
        document, definition = rules.document, self._definition
        counts = isinstance(document.exploration, ThompsonSampling | UpperConfidence)
        return Pool(
            rows=rows,
            scores=scored.scores,
            by_task=None if ranked is None else ranked.by_task,
            tasks=() if definition is None else tuple(definition.tasks),
            model_score=FirstTask() if definition is None else definition.score,
            seen=np.isin(rows, question.seen) if document.seen.policy is SeenPolicy.DEMOTE else None,
            boosts=[holds(rows) for holds in question.boosts],
            promotions=self._promoting.masks(question, rows),
            caps=[_values(self._catalogue, rules.schema, cap.property, rows) for cap in document.caps],
            likeness=self._likeness(question),
            impressions=self._state.impressions(rows) if counts else None,
            num_impressions=self._state.num_impressions if counts else 0.0,
        )

    def _likeness(self, question: Question) -> Likeness | None:
        diversity, schema = question.rules.document.diversity, question.rules.schema
        if not isinstance(diversity, MaximalMarginalRelevance | DeterminantalPointProcess):
            return None
        if diversity.by != BY_EMBEDDING:
            return partial(_alike_by_property, self._catalogue, schema, diversity.by)
        retrieval = self._retrieval
        if retrieval is None or not retrieval.model.can_answer:
            return None
        return partial(_alike_by_vector, retrieval.vectors_of)


def _alike_by_vector(vectors_of: Callable[[Rows], Scores], rows: Rows) -> Scores:
    return cosine_likeness(vectors_of(rows))


def _alike_by_property(catalogue: Catalogue, schema: Schema, name: str, rows: Rows) -> Scores:
    return property_likeness(_values(catalogue, schema, name, rows))


def _values(catalogue: Catalogue, schema: Schema, name: str, rows: Rows) -> Values:
    """The property's values of the items of n rows, as codes; none for a property that has no column."""
    declared = schema.items.get(name)
    if declared is None or declared.type is PropertyType.VECTOR:
        return np.full(rows.size, -1, np.int32)
    column = catalogue.column(name, declared.type)
    if isinstance(column, TextColumn):
        return column.codes[rows]
    if isinstance(column, BooleanColumn):
        return column.values[rows].astype(np.int32)
    if isinstance(column, NumberColumn):
        return _codes_of_numbers(column.values[rows])
    codes, places = column.entries_of(rows)
    offsets = np.searchsorted(places, np.arange(rows.size + 1))
    return ValueLists(offsets, codes)


def _codes_of_numbers(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Rows:
    _, codes = np.unique(values, return_inverse=True)
    return np.where(np.isnan(values), -1, codes).astype(np.int32)
