"""One turn of the watch over a project: measure, judge, keep, and leave a message for each change."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from webapp.accounts.models import Project
from webapp.alerts import messages
from webapp.alerts.judging import Change, Standing, judge
from webapp.alerts.kinds import AlertKind
from webapp.alerts.measured import Measured, UnknownNow
from webapp.alerts.measuring import MEASURES, Measure
from webapp.alerts.models import Alert, AlertChannel, AlertDelivery
from webapp.alerts.rules import Rule, rules_of

logger = logging.getLogger(__name__)

MAX_SUBJECTS = 200


def alerts_evaluate(
    *, project: Project, now: datetime, measures: Mapping[AlertKind, Measure] = MEASURES
) -> list[tuple[Alert, Change]]:
    """What changed. A kind that cannot be measured now, or whose measurement fails, leaves its alerts as they stand."""
    changes: list[tuple[Alert, Change]] = []
    unresolved = set(
        Alert.objects.filter(project=project).exclude(state=Alert.State.RESOLVED).values_list("kind", flat=True)
    )
    for kind, rule in rules_of(project=project).items():
        try:
            measured = measures[kind](project, now) if rule.is_on and kind in measures else []
        except UnknownNow as error:
            logger.info("project %s: %s is not known now: %s", project.slug, kind, error)
            continue
        except Exception:
            # one kind's trouble must not blind the others
            logger.exception("project %s: %s could not be measured", project.slug, kind)
            continue
        if not measured and kind.value not in unresolved:
            continue  # mostly
        with transaction.atomic():
            changes += _judge_all(project, rule, measured[:MAX_SUBJECTS], now)
    return changes


def _judge_all(project: Project, rule: Rule, measured: list[Measured], now: datetime) -> list[tuple[Alert, Change]]:
    still_open = Alert.objects.select_for_update().filter(project=project, kind=rule.kind.value)
    alerts = {one.subject: one for one in still_open.exclude(state=Alert.State.RESOLVED)}
    by_subject = {one.subject[:200]: one for one in measured}
    changes = []
    for subject in sorted(alerts.keys() | by_subject.keys()):
        change = _judge_one(project, rule, alerts.get(subject), by_subject.get(subject), now)
        if change is not None:
            changes.append(change)
    return changes


def _judge_one(
    project: Project, rule: Rule, alert: Alert | None, measured: Measured | None, now: datetime
) -> tuple[Alert, Change] | None:
    value = None if measured is None or not rule.is_on else measured.value
    standing = None if alert is None else Standing(alert.since, alert.fired_at, alert.calm_since)
    after, change = judge(standing, value, rule.limits, now)
    if alert is None:
        if after is None or measured is None:
            return None
        alert = Alert(project=project, kind=rule.kind.value, subject=measured.subject[:200], peak=measured.value)
    if after is None and change is None:  # it passed before it fired
        alert.delete()
        return None
    _stand(alert, after, change, now)
    _describe(alert, measured, rule)
    alert.save()
    _tell(alert, change, rule, now)
    return None if change is None else (alert, change)


def _stand(alert: Alert, after: Standing | None, change: Change | None, now: datetime) -> None:
    if after is not None:
        alert.since, alert.fired_at, alert.calm_since = after.since, after.fired_at, after.calm_since
        alert.state = Alert.State.PENDING if after.fired_at is None else Alert.State.FIRING
    if change is Change.RESOLVED:
        alert.state, alert.resolved_at = Alert.State.RESOLVED, now


def _describe(alert: Alert, measured: Measured | None, rule: Rule) -> None:
    if measured is not None:
        alert.value, alert.link = measured.value, measured.link[:400]
        alert.peak = max(alert.peak, measured.value)
    alert.threshold = rule.threshold
    alert.message = messages.sentence(alert, rule)[:500]


def _tell(alert: Alert, change: Change | None, rule: Rule, now: datetime) -> None:
    """Leave a message for each channel, in this transaction: once for firing, once for its end. A silenced alert is told of when the
    silence ends, if it still fires then."""
    if alert.state == Alert.State.FIRING and not alert.is_told and not rule.is_silenced(now):
        alert.is_told = True
        alert.save(update_fields=["is_told"])
        channels = AlertChannel.objects.filter(project_id=alert.project_id, is_on=True)
        _leave(alert, list(channels), AlertDelivery.Transition.FIRING, now)
    elif change is Change.RESOLVED and alert.is_told:
        alert.deliveries.filter(state=AlertDelivery.State.WAITING).update(
            state=AlertDelivery.State.FAILED, next_at=None, answer="not sent: it was over before it could be"
        )
        told = AlertChannel.objects.filter(is_on=True, deliveries__alert=alert)
        _leave(alert, list(told.distinct()), AlertDelivery.Transition.RESOLVED, now)


def _leave(alert: Alert, channels: list[AlertChannel], transition: AlertDelivery.Transition, now: datetime) -> None:
    body = messages.document(alert, transition, now)
    AlertDelivery.objects.bulk_create(
        [
            AlertDelivery(
                project_id=alert.project_id,
                channel=channel,
                alert=alert,
                transition=transition,
                address=channel.shown_address,
                body=body,
                next_at=now,
            )
            for channel in channels
        ],
        ignore_conflicts=True,
    )
