"""One request's whole path: history, candidates, scores, the k best. Deterministic given the state it reads."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import EngineError, InvalidDocument, Problem
from engine.retrieval.asker import Asker
from engine.retrieval.candidates import Candidate, CandidateSources
from engine.retrieval.exact_index import Vectors
from engine.serving.project_state import ProjectState
from engine.serving.request_counters import RequestCounters
from engine.serving.requests import (
    MAX_CANDIDATES,
    MAX_EXCLUDE,
    MAX_ID_LENGTH,
    MAX_K,
    ModelPosition,
    RecommendRequest,
    Role,
    ScoredItem,
)
from engine.serving.stages import RankingStage, RetrievalStage
from engine.spec.document import shorten

EMPTY_CATALOGUE = "the catalogue is empty"
NOTHING_LEFT = "every candidate is excluded or was acted on recently"
NONE_KNOWN = "none of the given candidates is in the catalogue, or all are excluded"

logger = logging.getLogger(__name__)

Scores = npt.NDArray[np.float32]

Positions = dict[Role, ModelPosition]
"""The models that answer, each with the place it answers from."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the path answers; `RecommendReply` without the replica's own fields."""

    items: list[ScoredItem]
    models: list[ModelPosition]
    degraded: str | None
    features: dict[str, Any]


class Pipeline:
    """The path of one deployment. `recommend` from any thread. `clock` answers seconds since 1970."""

    def __init__(
        self,
        state: ProjectState,
        retrieval: RetrievalStage | None,
        ranking: RankingStage | None,
        history_length: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._history_length = history_length
        self._retrieval = retrieval
        self._ranking = ranking
        self._clock = clock
        self._sources = CandidateSources(state.catalogue, state.live)

    def recommend(self, request: RecommendRequest) -> Recommendation:
        """Raises `InvalidDocument` for a request that breaks its rules; everything else is answered, degraded if need be."""
        check(request)
        catalogue = self._state.catalogue
        given = request.user_properties
        history = self._state.history(request.user_id, self._history_length)
        asker = Asker(
            request.user_id,
            catalogue.user_properties(request.user_id) if given is None else given,
            request.context,
            history.item_ids,
            history.event_types,
            history.times_ms,
            int(self._clock() * 1000),
        )
        counters = RequestCounters(self._state.counters, asker)
        if any(stage is not None and stage.reads_user_counters for stage in (self._retrieval, self._ranking)):
            asker = replace(asker, counters=counters.of_user())
        failure = self._state.failure
        reasons = [] if failure is None else [f"catalogue and histories cannot be brought up to date: {failure}"]
        models: Positions = {}
        # Positions are taken before scoring: parameters that arrive meanwhile may be used, but must not be claimed.
        for stage in (self._retrieval, self._ranking):
            if stage is not None and stage.model.problem is not None:
                reasons.append(stage.model.problem)
            if stage is not None and stage.model.can_answer:
                models[stage.role] = stage.model.position(stage.role)
        candidates = self._candidates(request, asker, models, reasons)
        scores = self._scores(asker, candidates, counters, models, reasons)
        best = self._best(candidates, scores, request.k)
        if not best:
            reasons.insert(0, self._why_empty(request))
        return Recommendation(
            best,
            list(models.values()),
            "; ".join(reasons) or None,
            self._features(asker, best, counters),
        )

    def _candidates(
        self, request: RecommendRequest, asker: Asker, models: Positions, reasons: list[str]
    ) -> list[Candidate]:
        retrieval = self._retrieval
        if request.candidates:
            # What the user has seen stays: the caller chose it.
            candidates = self._sources.given(request.candidates, set(request.exclude))
            if retrieval is None or "ranking" in models:
                models.pop("retrieval", None)
                return candidates
            user = self._user_vector(retrieval, asker, models, reasons)
            return candidates if user is None else retrieval.rescored(user, candidates)
        banned = {*request.exclude, *asker.history}
        if retrieval is not None:
            user = self._user_vector(retrieval, asker, models, reasons)
            if user is not None:
                return self._sources.nearest(retrieval.nearest(user), asker, request.k, banned)
        return self._sources.without_model(asker, banned)

    def _user_vector(
        self, retrieval: RetrievalStage, asker: Asker, models: Positions, reasons: list[str]
    ) -> Vectors | None:
        """float32[dim], or None: the model cannot answer, or knows nothing of this user."""
        if retrieval.role not in models:
            return None
        try:
            vector = retrieval.user_vector(asker)
        except Exception as error:
            self._note_failure(retrieval, error, models, reasons)
            return None
        return vector if vector.any() else None

    def _scores(
        self,
        asker: Asker,
        candidates: list[Candidate],
        counters: RequestCounters,
        models: Positions,
        reasons: list[str],
    ) -> Scores:
        """float32[n]: the ranking model's, without one retrieval's own."""
        if candidates and self._ranking is not None and self._ranking.role in models:
            item_ids = [candidate.item_id for candidate in candidates]
            properties = self._state.catalogue.item_properties(item_ids)
            ranker = self._ranking.ranker
            try:
                values = counters.of_candidates(item_ids, properties) if ranker.reads_counters else {}
                return ranker.score(asker, item_ids, properties, values)
            except Exception as error:
                self._note_failure(self._ranking, error, models, reasons)
        return np.array([candidate.score for candidate in candidates], np.float32)

    def _best(self, candidates: list[Candidate], scores: Scores, k: int) -> list[ScoredItem]:
        """The `k` of greatest score that have not been deleted meanwhile; of equals the earlier candidate first."""
        order = np.argsort(-scores, kind="stable").tolist()
        present = (place for place in order if self._state.catalogue.serves(candidates[place].item_id))
        return [
            ScoredItem(candidates[place].item_id, float(scores[place]), candidates[place].source)
            for place in islice(present, k)
        ]

    def _note_failure(
        self, stage: RankingStage | RetrievalStage, error: Exception, models: Positions, reasons: list[str]
    ) -> None:
        """A model that fails must not take the answer with it: whatever it raised, the rest of the path goes on."""
        logger.error("%s model %s failed", stage.role, stage.model.title, exc_info=error)
        said = error.message if isinstance(error, EngineError) else type(error).__name__
        reasons.append(f"{stage.role} model {stage.model.title} failed: {said}")
        del models[stage.role]

    def _why_empty(self, request: RecommendRequest) -> str:
        if self._state.catalogue.num_items == 0:
            return EMPTY_CATALOGUE
        return NONE_KNOWN if request.candidates else NOTHING_LEFT

    def _features(self, asker: Asker, best: Sequence[ScoredItem], counters: RequestCounters) -> dict[str, Any]:
        item_ids = [item.item_id for item in best]
        properties = self._state.catalogue.item_properties(item_ids)
        features: dict[str, Any] = {
            "user": dict(asker.properties),
            "history": list(asker.history),
            "history_types": list(asker.history_types),
            "history_times_ms": list(asker.history_times_ms),
            "time_ms": asker.time_ms,
            "items": {item_id: dict(each) for item_id, each in zip(item_ids, properties, strict=True)},
        }
        if counters:
            features["counters"] = counters.to_log(item_ids, properties)
        return features


def check(request: RecommendRequest) -> None:
    """Raise `InvalidDocument` naming every field out of bounds."""
    problems: list[Problem] = []
    if not 1 <= request.k <= MAX_K:
        problems.append(Problem("k", f"must be from 1 to {MAX_K}", shorten(request.k)))
    if not 1 <= len(request.user_id) <= MAX_ID_LENGTH:
        problems.append(Problem("user_id", f"must have 1 to {MAX_ID_LENGTH} characters", shorten(request.user_id)))
    for field, values, most in (
        ("candidates", request.candidates, MAX_CANDIDATES),
        ("exclude", request.exclude, MAX_EXCLUDE),
    ):
        if len(values) > most:
            problems.append(Problem(field, f"must name at most {most} items", f"{len(values)} items"))
    if problems:
        raise InvalidDocument("recommend request", problems)
