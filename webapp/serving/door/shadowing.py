"""Deployments asked beside the one that answers, once the answer is made: what they say is logged and shown to nobody."""

from __future__ import annotations

import asyncio
import logging
import uuid

from engine.errors import EngineError
from webapp.catalog.impressions import impression_appender
from webapp.core.clock import wall_ms
from webapp.core.errors import AppError
from webapp.core.remembered import NotRemembered, only_remembered
from webapp.experiments.choosing import Chosen, Shadow
from webapp.serving.door.preparing import Prepared, shadow_request
from webapp.serving.door.serving_loop import ServingLoop
from webapp.serving.impression import served_by, shadow_record

logger = logging.getLogger(__name__)

MAX_UNDER_WAY = 16
"""More are left out: nobody's answer may come later for an answer that nobody sees."""

_under_way: set[asyncio.Task[None]] = set()


def ask_shadows(serving: ServingLoop, prepared: Prepared, recommendation_id: str) -> None:
    """On `serving`'s loop."""
    for shadow in prepared.chosen.shadows:
        if len(_under_way) >= MAX_UNDER_WAY:
            return
        task = serving.loop.create_task(_ask(serving, prepared, shadow, recommendation_id))
        _under_way.add(task)
        task.add_done_callback(_under_way.discard)


def under_way() -> frozenset[asyncio.Task[None]]:
    """What is being asked."""
    return frozenset(_under_way)


async def _ask(serving: ServingLoop, prepared: Prepared, shadow: Shadow, recommendation_id: str) -> None:
    chosen = Chosen(shadow.deployment, shadow.deployment.revision, prepared.chosen.experiment, shadow.arm)
    try:
        with only_remembered():
            request = shadow_request(prepared, shadow)
        reply = await serving.replicas.ask(prepared.addresses, request, prepared.timeout_s)
    except (EngineError, AppError, NotRemembered) as error:
        logger.info("shadow %s did not answer: %s", shadow.arm, error)
        return
    if not reply.items or not request.user_id:
        return
    served = served_by(chosen, reply, shadow_of=recommendation_id)
    record = shadow_record(request, reply, served=served, recommendation_id=uuid.uuid4().hex, now_ms=wall_ms())
    impression_appender().put(prepared.project.slug, record)
