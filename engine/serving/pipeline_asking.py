"""From a request to a question: who asks, what may be answered, which models answer, how much time there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from engine.retrieval.allowed import Condition, NotingAllowed, RequestAllowed, Rule, none_of, not_shown
from engine.retrieval.asker import Asker
from engine.retrieval.filters.compiled import CompiledFilter
from engine.retrieval.filters.frame import RequestValues
from engine.retrieval.item_rows import Rows
from engine.serving.deadline import Deadline
from engine.serving.degraded import Degraded, Reasons
from engine.serving.expressions import compiled
from engine.serving.pipeline_explanation import Explanation
from engine.serving.pipeline_question import Positions, Question
from engine.serving.pipeline_rules import Rules
from engine.serving.project_state import ProjectState
from engine.serving.request_bounds import check
from engine.serving.request_counters import RequestCounters
from engine.serving.requests import Ask, AsOf, RecommendRequest
from engine.serving.session import with_session
from engine.serving.stages import RankingStage, RetrievalStage
from engine.spec.deployment import SeenPolicy

EXCLUDED: Final = "excluded"
SHOWN: Final = "shown_before"
SEEN: Final = "seen"
FILTER: Final = "filter"
REQUEST_FILTER: Final = "request_filter"


class Asking:
    """The questions of one deployment. From any thread."""

    def __init__(
        self,
        state: ProjectState,
        stages: tuple[RetrievalStage | None, RankingStage | None],
        rules: Rules,
        *,
        clock: Callable[[], float],
        stopwatch: Callable[[], float],
    ) -> None:
        self._state = state
        self._catalogue = state.catalogue
        self._stages: list[RetrievalStage | RankingStage] = [stage for stage in stages if stage is not None]
        self._reads_user_counters = any(stage.reads_user_counters for stage in self._stages)
        self._rules = rules
        self._clock = clock
        self._stopwatch = stopwatch

    def question(self, request: RecommendRequest, left_s: float | None, as_of: AsOf | None = None) -> Question:
        """`as_of` says who asks, instead of what is known of the user now. Raises `InvalidDocument` for a request that breaks its rules."""
        check(request)
        rules = self._rules.overridden(request.overrides)
        reasons = Reasons()
        asker, counters = self._asker(request) if as_of is None else self._asker_of_then(request, as_of)
        values = self._values(asker, request, rules)
        seen = self._seen(asker, rules)
        allowed = RequestAllowed(self._catalogue, self._what_is_allowed(request, rules, seen, values))
        explanation = Explanation(self._stopwatch, NotingAllowed(allowed)) if request.explain else None
        return Question(
            request=request,
            asker=asker,
            rules=rules,
            boosts=[self._condition(one, values) for one in rules.boosts],
            promotions=[None if one is None else self._condition(one, values) for one in rules.promotions],
            allowed=allowed if explanation is None or explanation.allowed is None else explanation.allowed,
            allowed_by=allowed.rules[1:],
            seen=seen,
            counters=counters,
            deadline=Deadline(self._stopwatch, left_s),
            positions=self._positions(reasons),
            explanation=explanation,
            reasons=reasons,
        )

    def say_why_empty(self, question: Question) -> None:
        """Add to the question's reasons why nothing is answered, unless they say so already."""
        reasons = question.reasons
        if Degraded.UNKNOWN_CANDIDATES in reasons or Degraded.UNKNOWN_ITEM in reasons:
            return
        if not self._catalogue.num_items:
            reasons.add(Degraded.EMPTY_CATALOGUE, "the catalogue is empty")
        elif self._is_for_want_of_filters(question):
            reasons.add(Degraded.EMPTY_FILTER, "no item fulfils the filters and may be answered otherwise")
        else:
            reasons.add(Degraded.NOTHING_LEFT, "every candidate is excluded, was shown before or was acted on")

    def _is_for_want_of_filters(self, question: Question) -> bool:
        """Whether something would be left without the filters."""
        others = [rule for rule in question.allowed_by if rule.name not in (FILTER, REQUEST_FILTER)]
        if len(others) == len(question.allowed_by):
            return False
        without = RequestAllowed(self._catalogue, others)
        given = question.request.candidates
        if not given:
            return bool(without.mask().any())
        rows = self._catalogue.rows_of(given)
        return bool(without.keep(rows[rows >= 0]).any())

    def _asker(self, request: RecommendRequest) -> tuple[Asker, RequestCounters]:
        length = self._rules.schema.history_length
        history = with_session(
            self._state.history(request.user_id, length), request.session, self._rules.schema, length
        )
        given = request.user_properties
        asker = Asker(
            request.user_id,
            self._catalogue.user_properties(request.user_id) if given is None else given,
            request.context,
            history.item_ids,
            history.event_types,
            history.times_ms,
            int(self._clock() * 1000),
        )
        return self._counted(asker)

    def _asker_of_then(self, request: RecommendRequest, as_of: AsOf) -> tuple[Asker, RequestCounters]:
        asker = Asker(
            request.user_id,
            as_of.user,
            request.context,
            tuple(as_of.history),
            tuple(as_of.history_types),
            tuple(as_of.history_times_ms),
            as_of.time_ms,
        )
        return self._counted(asker)

    def _counted(self, asker: Asker) -> tuple[Asker, RequestCounters]:
        counters = RequestCounters(self._state.counters, asker)
        return (replace(asker, counters=counters.of_user()) if self._reads_user_counters else asker), counters

    def _values(self, asker: Asker, request: RecommendRequest, rules: Rules) -> RequestValues:
        return RequestValues(
            user_id=asker.user_id,
            user=asker.properties,
            context=asker.context,
            parameters={**rules.document.parameters, **request.parameters},
            now_ms=asker.time_ms or 0,
        )

    def _condition(self, expression: CompiledFilter, values: RequestValues) -> Condition:
        catalogue = self._catalogue
        return lambda rows: expression.mask(catalogue, rows, values)

    def _filtering(self, expression: CompiledFilter, request: RecommendRequest, values: RequestValues) -> Rule:
        """The document's filter. With the document's parameters it is the same for all requests, and what it says of items is kept."""
        holds = self._condition(expression, values)
        if not expression.parameters.keys().isdisjoint(request.parameters):
            return Rule(FILTER, holds)
        return Rule(FILTER, holds, kept=lambda: expression.kept(self._catalogue, values))

    def _seen(self, asker: Asker, rules: Rules) -> Rows:
        """int32[m]: what the one who asks acted on, as the document counts it."""
        seen = rules.document.seen
        if seen.policy is SeenPolicy.KEEP:
            return np.empty(0, np.int32)
        return self._state.seen_rows(asker, seen, but_unfinished=rules.brings_unfinished)

    def _what_is_allowed(
        self, request: RecommendRequest, rules: Rules, seen: Rows, values: RequestValues
    ) -> Sequence[Rule]:
        """Beside being servable. Candidates that the request names stay when they were seen: the caller chose them. `rank` leaves
        nothing out but what the request itself says."""
        catalogue = self._catalogue
        allowed: list[Rule] = []
        if request.exclude:
            allowed.append(none_of(EXCLUDED, catalogue, catalogue.rows_of(request.exclude)))
        if request.ask is Ask.SIMILAR:
            allowed.append(none_of("asked_of", catalogue, catalogue.rows_of([request.item_id])))
        if request.shown:
            allowed.append(Rule(SHOWN, not_shown(catalogue, request.shown)))
        if seen.size and rules.document.seen.policy is SeenPolicy.DROP and not request.candidates:
            allowed.append(none_of(SEEN, catalogue, seen))
        if rules.filter is not None and request.ask is not Ask.RANK:
            allowed.append(self._filtering(rules.filter, request, values))
        if request.filter:
            own = compiled(request.filter, rules.schema, "filter")
            allowed.append(Rule(REQUEST_FILTER, self._condition(own, values)))
        return allowed

    def _positions(self, reasons: Reasons) -> Positions:
        """Taken before scoring: parameters that arrive meanwhile may be used, but must not be claimed."""
        failure = self._state.failure
        if failure is not None:
            reasons.add(Degraded.CATALOGUE_STALE, f"catalogue and histories cannot be brought up to date: {failure}")
        positions: Positions = {}
        for stage in self._stages:
            problem, can_answer = stage.model.problem, stage.model.can_answer
            if problem is not None:
                reasons.add(Degraded.MODEL_STALE if can_answer else Degraded.NO_MODEL, problem)
            if can_answer:
                positions[stage.role] = stage.model.position(stage.role)
        return positions
