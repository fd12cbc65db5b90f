"""A canary: an event that nobody did, written now and then so that its way to the replicas can be timed when nobody acts.

It costs the models nothing. The joiner passes it on as a canary example without joining, counting or remembering it; the trainer passes
over that without learning, and says with its next delta that it has come so far; a replica's meter sees that. No reader of `events` may
take it for something that a user did.

Its type cannot be declared in a schema, nor sent to the API. Readers of before there were canaries see an event of role `other`, which
says nothing to them; trainers of then count its example as one that they cannot read.
"""

from __future__ import annotations

from typing import Final

from engine.spec.event import Event
from engine.spec.example import Cause, Example, Origin
from engine.spec.schema import EventRole

CANARY_TYPE: Final = "freshet.canary"


def canary_event(event_id: str, key: str, now_ms: int) -> Event:
    """One that happens now. `key` is in place of a user's id, and so decides the partition."""
    return Event(event_id, CANARY_TYPE, EventRole.OTHER, key, None, timestamp_ms=now_ms, received_ms=now_ms)


def is_canary(event: Event) -> bool:
    return event.type == CANARY_TYPE


def epoch_example(key: str, epoch: int, now_ms: int) -> Example:
    """What a joiner says when it begins: what an earlier one appends behind it is to be passed over. It teaches as little as a canary."""
    return Example(
        example_id=f"epoch:{epoch}",
        user_id=key,
        item_id=CANARY_TYPE,
        event_time_ms=now_ms,
        origin=Origin.CANARY,
        labels={},
        cause=Cause(0, -1, now_ms),
        weight=0.0,
        epoch=epoch,
    )


def canary_example(event: Event, cause: Cause) -> Example:
    """What stands for the event in `examples`: it has no labels and weighs nothing, and its key is the event's."""
    return Example(
        example_id=event.event_id,
        user_id=event.user_id,
        item_id=CANARY_TYPE,
        event_time_ms=event.timestamp_ms,
        origin=Origin.CANARY,
        labels={},
        cause=cause,
        weight=0.0,
    )
