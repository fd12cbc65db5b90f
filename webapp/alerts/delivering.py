"""Sending what waits: each message once to each channel, again later when the receiver did not take it."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from smtplib import SMTPException

import orjson
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction

from webapp.alerts.messages import mail
from webapp.alerts.models import AlertChannel, AlertDelivery
from webapp.alerts.webhook import Answer, signature, webhook_post

logger = logging.getLogger(__name__)

RETRY_AFTER_S = (30, 120, 600, 3600)
"""After the first attempt that failed, the second, ...; then the message is given up."""

AT_ONCE = 32
NUM_THREADS = 8
CLAIMED_FOR = timedelta(seconds=120)


def deliveries_send_due(*, now: datetime) -> int:
    """Send what is due, at most `AT_ONCE`; answers how many were tried.

    A message is claimed before it is sent, so that two processes do not send it both; one whose process dies meanwhile is sent
    again, with the same `message_id`.
    """
    claimed = _claim(now)
    with ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="alerts") as pool:
        # the threads do not touch the database
        for delivery, answer in zip(claimed, pool.map(send, claimed), strict=True):
            delivery_note(delivery=delivery, answer=answer, now=now)
    return len(claimed)


def send(delivery: AlertDelivery) -> Answer:
    """One attempt. The delivery's channel must be loaded."""
    channel = delivery.channel
    if channel is None:
        return Answer(False, "not sent: the channel was removed")
    if channel.kind == AlertChannel.Kind.EMAIL:
        return _send_mail(channel.address, delivery)
    body = orjson.dumps({"message_id": str(delivery.message_id), **delivery.body})
    headers = {
        "User-Agent": "Freshet-Alerts/1",
        "Freshet-Message-Id": str(delivery.message_id),
        "Freshet-Signature": signature(channel.secret, int(time.time()), body),
    }
    return webhook_post(channel.address, body, headers, may_be_private=settings.WEBHOOKS_TO_PRIVATE)


def delivery_note(*, delivery: AlertDelivery, answer: Answer, now: datetime) -> None:
    """Keep what came of an attempt, and when the next is due."""
    delivery.num_attempts += 1
    delivery.answer = answer.text[:600].replace("\x00", "�")
    is_last = delivery.num_attempts > len(RETRY_AFTER_S) or delivery.channel is None
    is_last = is_last or delivery.transition == AlertDelivery.Transition.TEST
    if answer.is_taken:
        delivery.state, delivery.sent_at, delivery.next_at = AlertDelivery.State.SENT, now, None
    elif is_last:
        delivery.state, delivery.next_at = AlertDelivery.State.FAILED, None
        logger.warning("alert message %s was given up: %s", delivery.message_id, delivery.answer)
    else:
        delivery.next_at = now + timedelta(seconds=RETRY_AFTER_S[delivery.num_attempts - 1])
    values = {name: getattr(delivery, name) for name in ("num_attempts", "answer", "state", "sent_at", "next_at")}
    AlertDelivery.objects.filter(pk=delivery.pk).update(**values)


def _claim(now: datetime) -> list[AlertDelivery]:
    with transaction.atomic():
        due = AlertDelivery.objects.select_for_update(skip_locked=True, of=("self",)).filter(
            state=AlertDelivery.State.WAITING, next_at__lte=now
        )
        claimed = list(due.select_related("channel").order_by("next_at")[:AT_ONCE])
        AlertDelivery.objects.filter(pk__in=[one.pk for one in claimed]).update(next_at=now + CLAIMED_FOR)
    return claimed


def _send_mail(address: str, delivery: AlertDelivery) -> Answer:
    subject, text = mail(delivery.body)
    message = EmailMessage(subject, text, None, [address], headers={"X-Freshet-Message-Id": str(delivery.message_id)})
    try:
        message.send()
    except (SMTPException, OSError) as error:
        return Answer(False, f"not sent: {error or type(error).__name__}")
    where = f"handed to {settings.EMAIL_HOST}" if settings.MAIL_IS_CONFIGURED else "written to the log: no mail server"
    return Answer(True, where)
