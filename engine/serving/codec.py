"""Between the plain values of `requests.py` and the messages of `replica.proto`."""

from __future__ import annotations

from typing import Any

import orjson

from engine.errors import InvalidDocument, Problem
from engine.serving import requests
from engine.serving.wire import replica_pb2 as wire
from engine.spec.document import shorten


def request_to_wire(request: requests.RecommendRequest) -> wire.RecommendRequest:
    """Raises `InvalidDocument` when a value cannot be written (a `k` below zero, a context that is not JSON)."""
    if not 0 <= request.k < 2**32:
        raise InvalidDocument("recommend request", [Problem("k", "must be from 1 to 500", shorten(request.k))])
    properties = request.user_properties
    return wire.RecommendRequest(
        project=request.project,
        deployment=request.deployment,
        user_id=request.user_id,
        k=request.k,
        context_json=_dump("context", dict(request.context)),
        exclude=request.exclude,
        candidates=request.candidates,
        user_properties_json=None if properties is None else _dump("user_properties", dict(properties)),
    )


def request_from_wire(message: wire.RecommendRequest) -> requests.RecommendRequest:
    """Raises `InvalidDocument` when the context or the properties are not a JSON object."""
    return requests.RecommendRequest(
        project=message.project,
        deployment=message.deployment,
        user_id=message.user_id,
        k=message.k,
        context=_load("context", message.context_json),
        exclude=tuple(message.exclude),
        candidates=tuple(message.candidates),
        user_properties=_load("user_properties", message.user_properties_json)
        if message.HasField("user_properties_json")
        else None,
    )


def reply_to_wire(reply: requests.RecommendReply) -> wire.RecommendReply:
    return wire.RecommendReply(
        items=[wire.ScoredItem(item_id=item.item_id, score=item.score, source=item.source) for item in reply.items],
        models=[_position_to_wire(model) for model in reply.models],
        degraded=reply.degraded,
        features_json=reply.features_json,
        took_ms=reply.took_ms,
        replica=reply.replica,
    )


def reply_from_wire(message: wire.RecommendReply) -> requests.RecommendReply:
    return requests.RecommendReply(
        items=[requests.ScoredItem(item.item_id, item.score, item.source) for item in message.items],
        models=[_position_from_wire(model) for model in message.models],
        degraded=message.degraded if message.HasField("degraded") else None,
        features_json=message.features_json,
        took_ms=message.took_ms,
        replica=message.replica,
    )


def status_to_wire(status: requests.StatusReply) -> wire.StatusReply:
    return wire.StatusReply(
        replica=status.replica,
        started_ms=status.started_ms,
        deployments=[
            wire.DeploymentStatus(
                project=deployment.project,
                name=deployment.name,
                models=[_model_to_wire(model) for model in deployment.models],
                num_items=deployment.num_items,
                num_users=deployment.num_users,
            )
            for deployment in status.deployments
        ],
    )


def status_from_wire(message: wire.StatusReply) -> requests.StatusReply:
    return requests.StatusReply(
        replica=message.replica,
        started_ms=message.started_ms,
        deployments=[
            requests.DeploymentStatus(
                project=deployment.project,
                name=deployment.name,
                models=[_model_from_wire(model) for model in deployment.models],
                num_items=deployment.num_items,
                num_users=deployment.num_users,
            )
            for deployment in message.deployments
        ],
    )


def _position_to_wire(model: requests.ModelPosition) -> wire.ModelPosition:
    return wire.ModelPosition(
        role=model.role,
        name=model.name,
        version=model.version,
        sequence=model.sequence,
        age_s=model.age_s,
        trained_through_event_time_ms=model.trained_through_event_time_ms,
        events_through=model.events_through,
    )


def _position_from_wire(message: wire.ModelPosition) -> requests.ModelPosition:
    return requests.ModelPosition(
        role=message.role,
        name=message.name,
        version=message.version,
        sequence=message.sequence,
        age_s=message.age_s,
        trained_through_event_time_ms=message.trained_through_event_time_ms,
        events_through=dict(message.events_through),
    )


def _model_to_wire(model: requests.ModelStatus) -> wire.ModelStatus:
    return wire.ModelStatus(
        role=model.role,
        name=model.name,
        version=model.version,
        sequence=model.sequence,
        trainer_sequence=model.trainer_sequence,
        age_s=model.age_s,
        events_through=model.events_through,
        examples_through=model.examples_through,
        num_rows=model.num_rows,
        num_bytes_applied=model.num_bytes_applied,
        num_rows_applied=model.num_rows_applied,
        num_deletes_applied=model.num_deletes_applied,
        num_resyncs=model.num_resyncs,
        last_error=model.last_error,
        digest=model.digest,
        table_bytes=model.table_bytes,
    )


def _model_from_wire(message: wire.ModelStatus) -> requests.ModelStatus:
    return requests.ModelStatus(
        role=message.role,
        name=message.name,
        version=message.version,
        sequence=message.sequence,
        trainer_sequence=message.trainer_sequence,
        age_s=message.age_s,
        events_through=dict(message.events_through),
        examples_through=dict(message.examples_through),
        num_rows=message.num_rows,
        num_bytes_applied=message.num_bytes_applied,
        num_rows_applied=message.num_rows_applied,
        num_deletes_applied=message.num_deletes_applied,
        num_resyncs=message.num_resyncs,
        last_error=message.last_error if message.HasField("last_error") else None,
        digest=message.digest,
        table_bytes=message.table_bytes,
    )


def _dump(field: str, value: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise InvalidDocument(
            "recommend request", [Problem(field, f"must be JSON: {error}", shorten(value))]
        ) from error


def _load(field: str, data: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError as error:
        raise InvalidDocument("recommend request", [Problem(field, f"must be JSON: {error}", shorten(data))]) from error
    if not isinstance(value, dict):
        raise InvalidDocument("recommend request", [Problem(field, "must be an object", shorten(value))])
    return value
