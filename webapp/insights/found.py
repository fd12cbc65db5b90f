"""One thing that a check found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from webapp.insights.models import Insight


@dataclass(frozen=True, slots=True)
class Found:
    """`kind` and `subject` name it; `weight` is how much of the data it concerns, 0 to 1; `values` are what its words need."""

    kind: str
    subject: str
    severity: Insight.Severity
    weight: float
    values: dict[str, Any] = field(default_factory=dict)
