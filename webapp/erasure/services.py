"""Erasures are ordered here, and what became of them is noted. The forgetting itself is done by whoever holds what is to be forgotten:
joiner, trainers and replicas, when they come to the order among the events (`engine.spec.erasure`)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Now

from engine.errors import InvalidDocument, Problem
from engine.spec import erasure as orders
from engine.spec.document import shorten
from engine.spec.erasure import Erased
from engine.spec.values import BrokenRule, check_id
from engine.streams import topics
from engine.streams.log import Position, Record
from engine.streams.partitioning import key_in
from webapp.accounts.models import Project
from webapp.audit.acting import acting
from webapp.audit.services import audit_record
from webapp.catalog import entities, known_items
from webapp.catalog.reaching import replicas_behind
from webapp.catalog.storage import Kind
from webapp.core.clock import wall_ms
from webapp.core.errors import NotFound
from webapp.core.log import append, ensure_topics, event_log
from webapp.erasure import first_parts
from webapp.erasure.models import Erasure, Part, Place


@dataclass(frozen=True, slots=True)
class Ordered:
    """`replicas_pending` are the names of replicas that may still answer a deleted item."""

    erasure: Erasure
    replicas_pending: tuple[str, ...] = ()


def erasure_order(*, project: Project, kind: Kind, entity_id: str, must_exist: bool = True) -> Ordered:
    """Delete the user or item, and have everything forgotten that is known of it.

    The row is gone, and the order is durable, when this returns; an item is answered no more but by the replicas that are named as
    pending. With `must_exist` False one whom events alone name is erased too. Raises `InvalidDocument`, `NotFound`, `LogError`.
    """
    _check(kind, entity_id)
    token = uuid.uuid4()
    with transaction.atomic():
        positions, num_rows = _deleted(project, kind, entity_id, must_exist)
        erasure = Erasure.objects.create(
            project=project, token=token, kind=kind, entity_id=entity_id, asked_by=acting().name[:200]
        )
        first_parts.create(erasure, num_rows)
        audit_record(
            project=project, action=f"{kind}_erase", target=f"{kind} {entity_id}", details={"erasure": erasure.pk}
        )
        erasure.positions = _appended(project, orders.Erasure(token.hex, kind, entity_id))
        erasure.save(update_fields=["positions"])
    known_items.forget()
    return Ordered(erasure, replicas_behind(project, positions) if kind == "item" else ())


def erasure_note(*, project: Project, place: Place, name: str, erased: Sequence[Erased]) -> None:
    """A place says what it has forgotten; said again it changes nothing. Orders that nobody knows are passed over."""
    tokens = {uuid.UUID(hex=one.erasure.token) for one in erased if _is_token(one.erasure.token)}
    if not tokens:
        return
    for erasure in Erasure.objects.filter(project=project, token__in=tokens):
        said = {str(one.partition): dict(one.counts) for one in erased if one.erasure.token == erasure.token.hex}
        with transaction.atomic():
            part, _ = Part.objects.select_for_update().get_or_create(erasure=erasure, place=place, name=name[:200])
            counts = said | part.counts
            if part.state == Part.State.DONE or counts == part.counts:
                continue
            part.counts = counts
            if counts.keys() >= erasure.positions.keys():
                part.state, part.note, part.until = Part.State.DONE, "", None
            part.save()


def erasure_published(*, project: Project, name: str, tokens: Sequence[str], sequence: int) -> None:
    """The deltas up to this sequence carry the trainer's deletes; the first that is told of each order stays."""
    named = [uuid.UUID(hex=token) for token in tokens if _is_token(token)]
    parts = Part.objects.filter(erasure__project=project, erasure__token__in=named, place=Place.TRAINER, name=name)
    parts.filter(sequence=None).update(sequence=sequence, updated_at=Now())


def erasure_finish(*, erasure: Erasure) -> None:
    """Nothing is pending any more."""
    Erasure.objects.filter(pk=erasure.pk, state=Erasure.State.RUNNING).update(
        state=Erasure.State.DONE, finished_at=Now()
    )


def _check(kind: Kind, entity_id: str) -> None:
    try:
        check_id(entity_id)
    except BrokenRule as broken:
        raise InvalidDocument(kind, [Problem("id", str(broken), shorten(entity_id))]) from None


def _deleted(project: Project, kind: Kind, entity_id: str, must_exist: bool) -> tuple[list[Position], int]:
    """Where `catalog` says so, and how many rows went."""
    try:
        return entities.entity_delete(project=project, kind=kind, entity_id=entity_id), 1
    except NotFound:
        if must_exist:
            raise
        return [], 0


def _appended(project: Project, order: orders.Erasure) -> Mapping[str, int]:
    """Write the order among the events, a user's where all of the user's are, an item's in every partition."""
    topic, log, now_ms = topics.events(project.slug), event_log(), wall_ms()
    ensure_topics(project.slug)
    num = len(log.partitions(topic))
    keys = [order.id] if order.kind == "user" else [key_in(partition, num) for partition in range(num)]
    events = [orders.erasure_event(order, key, place, now_ms) for place, key in enumerate(keys)]
    placed = append(project.slug, topic, [Record(one.user_id, one.to_bytes(), now_ms) for one in events])
    return {str(position.partition): position.offset for position in placed}


def _is_token(text: str) -> bool:
    try:
        uuid.UUID(hex=text)
    except ValueError:
        return False
    return True
