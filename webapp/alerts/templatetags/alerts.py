"""How an alert's kind, values and length are written."""

from __future__ import annotations

from django import template

from webapp.alerts.kinds import KINDS, AlertKind
from webapp.alerts.models import Alert

register = template.Library()


@register.filter
def alert_label(kind: str) -> str:
    return KINDS[AlertKind(kind)].label


@register.filter
def in_unit_of(value: float, kind: str) -> str:
    """A value with the kind's unit; `–` for a kind without a threshold."""
    spec = KINDS[AlertKind(kind)]
    return spec.words(value) if spec.has_threshold else "–"


@register.filter
def lasted_s(alert: Alert) -> float | None:
    """Seconds from its first breach to its end; None while it goes on."""
    return None if alert.resolved_at is None else (alert.resolved_at - alert.since).total_seconds()
