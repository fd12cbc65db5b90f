"""What the log is told of an answer: what served it, and what a shadow would have answered."""

from __future__ import annotations

import uuid

from engine.serving.requests import RecommendReply
from engine.spec.event import Event, ShownItem
from engine.spec.schema import EventRole
from engine.spec.served import SHADOW_TYPE, Served
from webapp.experiments.choosing import Chosen, Shadow


def served_by(chosen: Chosen, reply: RecommendReply) -> Served:
    """What served the impression. The revision is the one that the replica answered with, where it says so."""
    return Served(
        deployment=chosen.deployment.name,
        revision=reply.revision or chosen.revision,
        sources=tuple([item.source for item in reply.items]),
        propensities=tuple([item.propensity for item in reply.items]),
        experiment=chosen.experiment,
        arm=chosen.arm,
    )


def shadow_event(
    shadow: Shadow, chosen: Chosen, reply: RecommendReply, *, user_id: str, recommendation_id: str, now_ms: int
) -> Event:
    """What the shadow would have answered to the request that was answered as `recommendation_id`; to be appended to `events`.

    Its role is `other`: it is neither joined, nor counted as shown, nor anybody's history.
    """
    served = Served(
        deployment=shadow.deployment.name,
        revision=reply.revision or shadow.deployment.revision,
        sources=tuple([item.source for item in reply.items]),
        propensities=tuple([item.propensity for item in reply.items]),
        experiment=chosen.experiment,
        arm=shadow.arm,
        shadow_of=recommendation_id,
    )
    return Event(
        event_id=uuid.uuid4().hex,
        type=SHADOW_TYPE,
        role=EventRole.OTHER,
        user_id=user_id,
        item_id=None,
        timestamp_ms=now_ms,
        received_ms=now_ms,
        items=tuple([ShownItem(item.item_id, place, item.score) for place, item in enumerate(reply.items)]),
        served=served,
    )
