"""One request as the stages of the pipeline see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from engine.retrieval.allowed import Condition, Rule
from engine.retrieval.asker import Asker
from engine.retrieval.item_rows import Rows
from engine.retrieval.source import Allowed
from engine.serving.deadline import Deadline
from engine.serving.degraded import Reasons
from engine.serving.pipeline_explanation import Explanation
from engine.serving.pipeline_rules import Rules
from engine.serving.request_counters import RequestCounters
from engine.serving.requests import ModelPosition, RecommendRequest, Role

Positions = dict[Role, ModelPosition]
"""The models that answer, each with the place it answers from."""

_NOTHING_IS_DRAWN: Final = np.random.default_rng(0)


@dataclass
class Question:
    """For one thread. `seen` int32[m]: rows that the user acted on, as the document's rule for seen items counts them. `allowed_by` is what
    `allowed` is made of. `boosts` and
    `promotions` are the conditions of the document's, None for a promotion that names its items. `explanation` is None unless the
    request asked for one."""

    request: RecommendRequest
    asker: Asker
    rules: Rules
    boosts: Sequence[Condition]
    promotions: Sequence[Condition | None]
    allowed: Allowed
    allowed_by: Sequence[Rule]
    seen: Rows
    counters: RequestCounters
    deadline: Deadline
    positions: Positions
    explanation: Explanation | None
    reasons: Reasons = field(default_factory=Reasons)

    @property
    def draws(self) -> np.random.Generator:
        """What exploration draws from: the request's seed or a new one. Making one costs tens of microseconds, so that a document that
        draws nothing gets one that nobody draws from."""
        return np.random.default_rng(self.request.seed) if self.rules.draws else _NOTHING_IS_DRAWN
