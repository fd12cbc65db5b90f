"""The rules that hold in a project: its own where it has set one, the kinds' own limits elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webapp.accounts.models import Project
from webapp.alerts.judging import Limits
from webapp.alerts.kinds import KINDS, AlertKind, Kind
from webapp.alerts.models import AlertRule


@dataclass(frozen=True, slots=True)
class Rule:
    kind: AlertKind
    spec: Kind
    is_on: bool
    threshold: float
    for_s: int
    silenced_until: datetime | None
    is_own: bool

    @property
    def limits(self) -> Limits:
        return Limits(self.threshold, self.for_s)

    @property
    def threshold_words(self) -> str:
        return self.spec.words(self.threshold)

    def is_silenced(self, now: datetime) -> bool:
        return self.silenced_until is not None and now < self.silenced_until


def rules_of(*, project: Project) -> dict[AlertKind, Rule]:
    """Every kind's rule, in the kinds' order."""
    own = {one.kind: one for one in AlertRule.objects.filter(project=project)}
    return {kind: _rule(kind, own.get(kind.value)) for kind in KINDS}


def _rule(kind: AlertKind, own: AlertRule | None) -> Rule:
    spec = KINDS[kind]
    if own is None:
        return Rule(kind, spec, True, spec.threshold, spec.for_s, None, False)
    threshold = own.threshold if spec.has_threshold else spec.threshold
    is_own = (own.is_on, threshold, own.for_s) != (True, spec.threshold, spec.for_s)
    return Rule(kind, spec, own.is_on, threshold, own.for_s, own.silenced_until, is_own)
