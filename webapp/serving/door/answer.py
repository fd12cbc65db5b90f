"""The answer to a call, as the API gives it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings

from engine.serving.requests import Ask, ModelPosition, RecommendReply, ScoredItem
from webapp.serving.door.preparing import Prepared
from webapp.serving.next_token import tokens_of, with_shown


def answer_of(
    prepared: Prepared, reply: RecommendReply, recommendation_id: str, degraded: str | None, now_s: float
) -> dict[str, Any]:
    """Keys that a call did not ask for (`explanation`, `experiment`, …) are left out."""
    asked = prepared.asked
    answer: dict[str, Any] = {
        "recommendation_id": recommendation_id,
        "items": [_item(prepared, item) for item in reply.items],
        "deployment": prepared.chosen.deployment.name,
        "revision": reply.revision or prepared.chosen.revision,
        "models": [_model(model) for model in reply.models],
        "degraded": degraded,
        "replica": reply.replica,
        "took_ms": reply.took_ms,
    }
    if asked.ask is Ask.RANK:
        answer["unknown"] = reply.unknown
    else:
        answer["next"] = _next(prepared, reply, now_s)
    if asked.return_experiment:
        answer["experiment"] = experiment_of(prepared)
    if asked.explain:
        answer["explanation"] = orjson.Fragment(reply.explanation_json) if reply.explanation_json else None
    return answer


def validation_of(prepared: Prepared) -> dict[str, Any]:
    """What `validate_only` answers to a request with which nothing is wrong: what would be asked."""
    answer: dict[str, Any] = {
        "is_valid": True,
        "deployment": prepared.chosen.deployment.name,
        "revision": prepared.chosen.revision,
        "timeout_ms": round(1000 * prepared.timeout_s),
        "context": prepared.request.context,
        "num_replicas": len(prepared.addresses),
    }
    if prepared.asked.return_experiment:
        answer["experiment"] = experiment_of(prepared)
    return answer


def experiment_of(prepared: Prepared) -> dict[str, Any] | None:
    chosen = prepared.chosen
    return None if chosen.experiment is None else {"name": chosen.experiment, "arm": chosen.arm}


def _next(prepared: Prepared, reply: RecommendReply, now_s: float) -> str | None:
    """None when there is nothing after this answer."""
    if not reply.items:
        return None
    shown = with_shown(prepared.request.shown, [item.item_id for item in reply.items])
    return tokens_of(settings.SECRET_KEY).make(prepared.whom, shown, now_s)


def _item(prepared: Prepared, item: ScoredItem) -> dict[str, Any]:
    answer: dict[str, Any] = {"item_id": item.item_id, "score": item.score, "source": item.source}
    if prepared.asked.fields:
        answer["properties"] = item.properties or {}
    if item.promotion is not None:
        answer["promotion"] = item.promotion
    if prepared.asked.explain:
        answer["propensity"] = item.propensity
    return answer


def _model(model: ModelPosition) -> dict[str, Any]:
    return {
        "role": model.role,
        "name": model.name,
        "version": model.version,
        "sequence": model.sequence,
        "age_s": model.age_s,
        "events_through": {str(partition): offset for partition, offset in model.events_through.items()},
        "event_time": _time(model.trained_through_event_time_ms),
    }


def _time(event_time_ms: int) -> str | None:
    """RFC 3339; None for the 0 of a model that has seen no example."""
    if not event_time_ms:
        return None
    return datetime.fromtimestamp(event_time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
