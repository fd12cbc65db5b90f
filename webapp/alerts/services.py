"""Rules and channels of a project come to be and change; a test is sent at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q

from webapp.accounts.models import Project
from webapp.alerts.addresses import check_url
from webapp.alerts.delivering import delivery_note, send
from webapp.alerts.kinds import KINDS, AlertKind
from webapp.alerts.messages import document_of_test
from webapp.alerts.models import Alert, AlertChannel, AlertDelivery, AlertRule
from webapp.alerts.rules import rules_of
from webapp.audit.acting import acting
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict, Invalid

MAX_CHANNELS = 20
MAX_FOR_S = 86_400
MAX_SILENCE = timedelta(days=30)
ALERTS_KEPT = timedelta(days=90)
DELIVERIES_KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class RuleChange:
    kind: AlertKind
    is_on: bool
    threshold: float
    for_s: int


def alert_rules_save(*, project: Project, changes: Sequence[RuleChange]) -> list[AlertKind]:
    """The given kinds' limits from now on; answers those that changed. All or none. Raises `Invalid`."""
    for one in changes:
        _check(one)
    before = rules_of(project=project)
    changed: dict[str, Mapping[str, object]] = {}
    with transaction.atomic():
        for one in changes:
            old = before[one.kind]
            if (old.is_on, old.threshold, old.for_s) == (one.is_on, one.threshold, one.for_s):
                continue
            values = {"is_on": one.is_on, "threshold": one.threshold, "for_s": one.for_s}
            AlertRule.objects.update_or_create(project=project, kind=one.kind.value, defaults=values)
            was = {"is_on": old.is_on, "threshold": old.threshold, "for_s": old.for_s}
            changed[one.kind.value] = {"before": was, "after": values}
        if changed:
            audit_record(
                project=project, action="alert_rules_save", target=f"alert rules {', '.join(changed)}", details=changed
            )
    return [AlertKind(kind) for kind in changed]


def alert_rule_silence(*, project: Project, kind: AlertKind, until: datetime | None, now: datetime) -> None:
    """Nobody is told of this kind until then (None: from now on they are again). Raises `Invalid`."""
    if until is not None and not now < until <= now + MAX_SILENCE:
        raise Invalid.field("until", f"must be within the next {MAX_SILENCE.days} days", until.isoformat())
    rule = rules_of(project=project)[kind]
    with transaction.atomic():
        AlertRule.objects.update_or_create(
            project=project,
            kind=kind.value,
            defaults={"silenced_until": until},
            create_defaults={
                "is_on": rule.is_on,
                "threshold": rule.threshold,
                "for_s": rule.for_s,
                "silenced_until": until,
            },
        )
        audit_record(
            project=project,
            action="alert_rule_silence" if until else "alert_rule_unsilence",
            target=f"alert rule {kind.value}",
            details={"until": until} if until else {},
        )


def alert_channel_create(*, project: Project, kind: str, address: str) -> AlertChannel:
    """Where alerts go from now on. Raises `Invalid`, `Conflict` for one that is there, or for too many."""
    address = address.strip()
    if kind == AlertChannel.Kind.WEBHOOK:
        check_url(address)
    elif kind == AlertChannel.Kind.EMAIL:
        _check_mail(address)
    else:
        raise Invalid.field("kind", f"must be one of {', '.join(AlertChannel.Kind.values)}", repr(kind[:80]))
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        if AlertChannel.objects.filter(project=project).count() >= MAX_CHANNELS:
            raise Conflict(f"A project has at most {MAX_CHANNELS} channels; remove one first.")
        try:
            with transaction.atomic():
                channel = AlertChannel.objects.create(
                    project=project, kind=kind, address=address, created_by=acting().name[:200]
                )
        except IntegrityError as error:
            raise Conflict("This address is told already.") from error
        audit_record(project=project, action="alert_channel_create", target=f"alert channel {channel}")
    return channel


def alert_channel_switch(*, channel: AlertChannel, is_on: bool) -> None:
    with transaction.atomic():
        AlertChannel.objects.filter(pk=channel.pk).update(is_on=is_on)
        action = "alert_channel_switch_on" if is_on else "alert_channel_switch_off"
        audit_record(project=channel.project, action=action, target=f"alert channel {channel}")


def alert_channel_delete(*, channel: AlertChannel) -> None:
    """What waits to be sent to it is given up."""
    with transaction.atomic():
        AlertDelivery.objects.filter(channel=channel, state=AlertDelivery.State.WAITING).update(
            state=AlertDelivery.State.FAILED, next_at=None, answer="not sent: the channel was removed"
        )
        audit_record(project=channel.project, action="alert_channel_delete", target=f"alert channel {channel}")
        channel.delete()


def alert_channel_test(*, channel: AlertChannel, now: datetime) -> AlertDelivery:
    """Send a test now and wait for the answer, which the delivery has."""
    delivery = AlertDelivery.objects.create(
        project=channel.project,
        channel=channel,
        transition=AlertDelivery.Transition.TEST,
        address=channel.shown_address,
        body=document_of_test(channel.project, now),
    )
    delivery_note(delivery=delivery, answer=send(delivery), now=now)
    return delivery


def alerts_prune(*, now: datetime) -> None:
    """Forget alerts that ended `ALERTS_KEPT` ago and messages older than `DELIVERIES_KEPT`."""
    AlertDelivery.objects.filter(~Q(state=AlertDelivery.State.WAITING), created_at__lt=now - DELIVERIES_KEPT).delete()
    Alert.objects.filter(state=Alert.State.RESOLVED, resolved_at__lt=now - ALERTS_KEPT).delete()


def _check(one: RuleChange) -> None:
    spec = KINDS[one.kind]
    if not math.isfinite(one.threshold) or one.threshold < 0 or one.threshold > 1e12:
        raise Invalid.field(f"{one.kind}.threshold", f"must be a number of {spec.unit}, 0 or more", repr(one.threshold))
    if not 0 <= one.for_s <= MAX_FOR_S:
        raise Invalid.field(f"{one.kind}.for_s", f"must be 0 to {MAX_FOR_S} seconds", repr(one.for_s))


def _check_mail(address: str) -> None:
    try:
        validate_email(address)
    except ValidationError:
        raise Invalid.field("address", "must be an e-mail address", repr(address[:80])) from None
