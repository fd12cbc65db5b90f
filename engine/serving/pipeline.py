"""One request's whole path: question, candidates, scores, places, answer. Deterministic given the state it reads, unless it explores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Final

import numpy as np

from engine.ranking.reranking.order import best_places
from engine.ranking.reranking.pool import Reranked
from engine.retrieval.item_rows import Rows
from engine.serving.degraded import Degraded
from engine.serving.deployment import DeploymentSpec
from engine.serving.gathered import Gathered
from engine.serving.pipeline_answer import features_json, scored_items
from engine.serving.pipeline_asking import Asking
from engine.serving.pipeline_gathering import Gathering
from engine.serving.pipeline_promoting import Promoting
from engine.serving.pipeline_question import Question
from engine.serving.pipeline_ranking import Ranking, Scored
from engine.serving.pipeline_reranking import Reranking
from engine.serving.pipeline_rules import rules_of
from engine.serving.project_sources import ProjectSources
from engine.serving.project_state import ProjectState
from engine.serving.requests import Ask, AsOf, ModelPosition, RecommendRequest, ScoredItem
from engine.serving.stages import RankingStage, RetrievalStage
from engine.spec.deployment import DeploymentDocument

_NO_TIME: Final[AbstractContextManager[None]] = nullcontext()


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the path answers; `RecommendReply` without the replica's own fields."""

    items: list[ScoredItem]
    models: list[ModelPosition]
    degraded: str | None
    features_json: bytes
    unknown: tuple[str, ...]
    explanation_json: bytes


class Pipeline:
    """The path of one deployment. `recommend` from any thread. `clock` answers seconds since 1970, `stopwatch` seconds of any origin."""

    def __init__(
        self,
        state: ProjectState,
        retrieval: RetrievalStage | None,
        ranking: RankingStage | None,
        spec: DeploymentSpec,
        *,
        clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Raises `InvalidDocument` when the document does not fit the schema or the ranking model."""
        self._state = state
        self._stages = retrieval, ranking
        self._spec = spec
        self._clock, self._stopwatch = clock, stopwatch
        self._catalogue = state.catalogue
        self._revision = spec.revision
        rules = rules_of(spec.document, spec.schema, spec.ranking)
        rules.prepare(state.catalogue)
        self._asking = Asking(state, (retrieval, ranking), rules, clock=clock, stopwatch=stopwatch)
        self._gathering = Gathering(ProjectSources(state), retrieval)
        self._ranking = Ranking(state.catalogue, ranking, stopwatch)
        self._promoting = Promoting(state.catalogue, spec.document)
        self._reranking = Reranking(state, retrieval, ranking, self._promoting)

    def under(self, document: DeploymentDocument) -> Pipeline:
        """The same state and models under another document, of revision 0. Raises `InvalidDocument` as the constructor does."""
        spec = replace(self._spec, document=document, revision=0)
        return Pipeline(self._state, *self._stages, spec, clock=self._clock, stopwatch=self._stopwatch)

    def recommend(
        self,
        request: RecommendRequest,
        left_s: float | None = None,
        *,
        as_of: AsOf | None = None,
        about: Sequence[str] = (),
    ) -> Recommendation:
        """Raises `InvalidDocument` for a request that breaks its rules; everything else is answered, degraded if need be.

        `left_s` is how long the one who asks will wait from now on. `as_of` says who asks instead of what is known of the user now. Of
        what was dropped an explanation names the items of `about` first.
        """
        question = self._asking.question(request, left_s, as_of)
        if question.explanation is not None and about:
            question.explanation.about = self._catalogue.rows_of(about)
        with _timed(question, "retrieval"):
            candidates, unknown = self._candidates(question)
        with _timed(question, "ranking"):
            scored = self._still_servable(question, self._ranked(question, candidates))
        with _timed(question, "reranking"):
            reranked = _by_score(scored) if request.ask is Ask.RANK else self._reranking.rerank(question, scored)
        return self._answer(question, scored, reranked, unknown)

    def _candidates(self, question: Question) -> tuple[Gathered, tuple[str, ...]]:
        """And which of the ids that the request names are not known."""
        request = question.request
        if request.ask is Ask.SIMILAR:
            return self._similar(question)
        if request.candidates or request.ask is Ask.RANK:
            return self._given(question)
        return self._promoting.with_promoted(question, self._gathering.for_user(question)), ()

    def _given(self, question: Question) -> tuple[Gathered, tuple[str, ...]]:
        item_ids = list(dict.fromkeys(question.request.candidates))
        rows = self._catalogue.rows_of(item_ids)
        # A hidden item is none to whoever asks.
        is_known = (rows >= 0) & self._catalogue.servable[rows]
        unknown = tuple(item_ids[place] for place in np.flatnonzero(~is_known).tolist())
        if not is_known.any():
            question.reasons.add(Degraded.UNKNOWN_CANDIDATES, "none of the candidates is in the catalogue")
        return self._gathering.given(question, rows[is_known]), unknown

    def _similar(self, question: Question) -> tuple[Gathered, tuple[str, ...]]:
        item_id = question.request.item_id
        row = self._catalogue.row_of(item_id)
        if row < 0:
            question.reasons.add(Degraded.UNKNOWN_ITEM, f"item {item_id!r} is not in the catalogue")
            return Gathered.nothing(), (item_id,)
        return self._promoting.with_promoted(question, self._gathering.similar(question, row)), ()

    def _ranked(self, question: Question, candidates: Gathered) -> Scored:
        explanation = question.explanation
        if explanation is not None:
            explanation.num_merged = len(candidates)
        if question.request.ask is Ask.SIMILAR:
            question.positions.pop("ranking", None)
            return Scored(candidates, None)
        return self._ranking.rank(question, candidates)

    def _still_servable(self, question: Question, scored: Scored) -> Scored:
        """Without what was deleted or hidden while it was ranked."""
        rows = scored.candidates.rows
        there = self._catalogue.servable[rows]
        if not there.all():
            if question.explanation is not None:
                question.explanation.gone = rows[~there]
            scored = scored.at(np.flatnonzero(there))
        if question.explanation is not None:
            question.explanation.take_scored(scored.candidates, scored.ranked)
        return scored

    def _answer(
        self, question: Question, scored: Scored, reranked: Reranked, unknown: tuple[str, ...]
    ) -> Recommendation:
        rows = scored.candidates.rows[reranked.order]
        if not rows.size:
            self._asking.say_why_empty(question)
        with _timed(question, "answer"):
            items = scored_items(self._catalogue, scored.candidates, reranked, question.request.fields)
            features = features_json(self._catalogue, question, rows[: question.request.num_logged])
        models = list(question.positions.values())
        return Recommendation(
            items,
            models,
            question.reasons.text,
            features,
            unknown,
            b"" if question.explanation is None else self._explained(question, reranked, rows),
        )

    def _explained(self, question: Question, reranked: Reranked, rows: Rows) -> bytes:
        explanation = question.explanation
        assert explanation is not None
        self._ranking.explain(question, rows)
        return explanation.to_json(
            self._catalogue,
            reranked,
            rows,
            models=[asdict(model) for model in question.positions.values()],
            details=question.reasons.details,
            revision=self._revision,
        )


def _by_score(scored: Scored) -> Reranked:
    """All of them, best first."""
    scores = scored.scores
    order = best_places(scores, scores.size)
    return Reranked(order, scores[order], np.ones(order.size, np.float32), [None] * order.size)


def _timed(question: Question, stage: str) -> AbstractContextManager[None]:
    return _NO_TIME if question.explanation is None else question.explanation.timed(stage)
