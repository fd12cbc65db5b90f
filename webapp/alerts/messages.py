"""The words of an alert: one sentence for pages, the JSON document of a webhook, the subject and text of an e-mail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from webapp.accounts.models import Project
from webapp.alerts.kinds import KINDS, AlertKind
from webapp.alerts.models import Alert
from webapp.alerts.rules import Rule


def sentence(alert: Alert, rule: Rule) -> str:
    """As in `Freshness of ranker v2: 14.2 s, above 10.0 s`."""
    spec = rule.spec
    whose = f"{spec.label} of {alert.subject}" if alert.subject else spec.label
    if not spec.has_threshold:
        return f"{spec.label}: {alert.subject}"
    return f"{whose}: {spec.words(alert.value)}, limit {spec.words(alert.threshold)}"


def document(alert: Alert, transition: str, now: datetime) -> dict[str, Any]:
    """What a webhook receives. Times are RFC 3339; `value`, `peak` and `threshold` are in `unit`."""
    spec = KINDS[AlertKind(alert.kind)]
    return {
        "transition": str(transition),
        "project": alert.project.slug,
        "project_name": alert.project.name,
        "alert_id": alert.pk,
        "kind": alert.kind,
        "subject": alert.subject,
        "message": alert.message,
        "advice": spec.advice,
        "value": alert.value,
        "peak": alert.peak,
        "threshold": alert.threshold,
        "unit": spec.unit,
        "since": alert.since.isoformat(),
        "fired_at": alert.fired_at.isoformat() if alert.fired_at else None,
        "resolved_at": alert.resolved_at.isoformat() if alert.resolved_at else None,
        "sent_for": now.isoformat(),
        "link": settings.PUBLIC_URL + (alert.link or reverse("alerts", args=[alert.project.slug])),
    }


def document_of_test(project: Project, now: datetime) -> dict[str, Any]:
    """What the test button sends: the same shape, about nothing."""
    return {
        "transition": "test",
        "project": project.slug,
        "project_name": project.name,
        "alert_id": None,
        "kind": "test",
        "subject": "",
        "message": f"A test from {project.name}: alerts reach this address.",
        "advice": "Nothing is to be done.",
        "value": None,
        "peak": None,
        "threshold": None,
        "unit": "",
        "since": now.isoformat(),
        "fired_at": None,
        "resolved_at": None,
        "sent_for": now.isoformat(),
        "link": settings.PUBLIC_URL + reverse("alerts", args=[project.slug]),
    }


def mail(body: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and text for a document of the above."""
    word = {"firing": "Firing", "resolved": "Over", "test": "Test"}[body["transition"]]
    subject = f"[Freshet {body['project']}] {word}: {body['message']}".replace("\n", " ").replace("\r", " ")
    lines = [body["message"], "", f"Project: {body['project_name']} ({body['project']})", f"Since: {body['since']}"]
    if body["resolved_at"]:
        lines.append(f"Over since: {body['resolved_at']}")
    elif body["advice"]:
        lines += ["", body["advice"]]
    return subject[:200], "\n".join([*lines, "", body["link"], ""])
