"""Between the plain values of `requests.py` and the messages of `replica.proto`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from engine.errors import InvalidDocument, Problem
from engine.serving import requests
from engine.serving.columns_on_the_wire import items_from_wire, items_to_wire
from engine.serving.wire import replica_pb2 as wire
from engine.spec.document import shorten

_ASK_TO_WIRE: Final = {
    requests.Ask.RECOMMEND: wire.RECOMMEND,
    requests.Ask.RANK: wire.RANK,
    requests.Ask.SIMILAR: wire.SIMILAR,
}
_ASK_FROM_WIRE: Final = {number: ask for ask, number in _ASK_TO_WIRE.items()}


def request_to_wire(request: requests.RecommendRequest) -> wire.RecommendRequest:
    """Raises `InvalidDocument` when a value cannot be written (a `k` below zero, a context that is not JSON)."""
    _check_range("k", request.k, 2**32, "must be from 1 to 500")
    message = wire.RecommendRequest(
        project=request.project,
        deployment=request.deployment,
        user_id=request.user_id,
        k=request.k,
        ask=_ASK_TO_WIRE[request.ask],
        item_id=request.item_id,
        explain=request.explain,
        in_columns=True,
        exclude=request.exclude,
        candidates=request.candidates,
        fields=request.fields,
        filter=request.filter,
    )
    if request.context:
        message.context_json = dumped("context", dict(request.context))
    if request.user_properties is not None:
        message.user_properties_json = dumped("user_properties", dict(request.user_properties))
    if request.parameters:
        message.parameters_json = dumped("parameters", dict(request.parameters))
    if request.overrides is not None:
        message.overrides_json = dumped("overrides", _overrides_as_json(request.overrides))
    if request.session:
        message.session.extend(_session_event_to_wire(event) for event in request.session)
    if request.shown:
        for hashed in request.shown:
            _check_range("shown", hashed, 2**64, "must be 64-bit hashes")
        message.shown.extend(request.shown)
    if request.seed is not None:
        _check_range("seed", request.seed, 2**64, "must be from 0 to 2^64 - 1")
        message.seed = request.seed
    if request.num_logged is not None:
        _check_range("num_logged", request.num_logged, 2**32, "must be from 0 to 2^32 - 1")
        message.num_logged = request.num_logged
    return message


def request_from_wire(message: wire.RecommendRequest) -> requests.RecommendRequest:
    """Raises `InvalidDocument` when what should be a JSON object is none. What a message does not carry is not looked at."""
    return requests.RecommendRequest(
        project=message.project,
        deployment=message.deployment,
        user_id=message.user_id,
        k=message.k,
        context=loaded("context", message.context_json) if message.context_json else {},
        exclude=tuple(message.exclude),
        candidates=tuple(message.candidates),
        user_properties=loaded("user_properties", message.user_properties_json)
        if message.HasField("user_properties_json")
        else None,
        ask=_ASK_FROM_WIRE.get(message.ask, requests.Ask.RECOMMEND),
        item_id=message.item_id,
        session=tuple(
            requests.SessionEvent(event.type, event.item_id, event.timestamp_ms) for event in message.session
        ),
        filter=message.filter if message.HasField("filter") else None,
        parameters=loaded("parameters", message.parameters_json) if message.parameters_json else {},
        overrides=_overrides_from_json(loaded("overrides", message.overrides_json))
        if message.HasField("overrides_json")
        else None,
        shown=tuple(message.shown),
        fields=tuple(message.fields),
        explain=message.explain,
        seed=message.seed if message.HasField("seed") else None,
        num_logged=message.num_logged if message.HasField("num_logged") else None,
    )


def reply_to_wire(reply: requests.RecommendReply, *, in_columns: bool = False) -> wire.RecommendReply:
    """`in_columns` as the request's message says."""
    return wire.RecommendReply(
        items=() if in_columns else [_item_to_wire(item) for item in reply.items],
        columns=items_to_wire(reply.items) if in_columns else None,
        models=[_position_to_wire(model) for model in reply.models],
        degraded=reply.degraded,
        features_json=reply.features_json,
        took_ms=reply.took_ms,
        replica=reply.replica,
        unknown=reply.unknown,
        explanation_json=reply.explanation_json,
        revision=reply.revision,
    )


def reply_from_wire(message: wire.RecommendReply) -> requests.RecommendReply:
    return requests.RecommendReply(
        items=items_from_wire(message.columns)
        if message.HasField("columns")
        else [_item_from_wire(item) for item in message.items],
        models=[_position_from_wire(model) for model in message.models],
        degraded=message.degraded if message.HasField("degraded") else None,
        features_json=message.features_json,
        took_ms=message.took_ms,
        replica=message.replica,
        unknown=tuple(message.unknown),
        explanation_json=message.explanation_json,
        revision=message.revision,
    )


def catch_up_to_wire(project: str, catalog_offsets: Mapping[int, int], timeout_s: float) -> wire.CatchUpRequest:
    return wire.CatchUpRequest(project=project, catalog_offsets=catalog_offsets, timeout_ms=round(timeout_s * 1000))


def caught_up_to_wire(reply: requests.CatchUpReply) -> wire.CatchUpReply:
    return wire.CatchUpReply(reached=reply.reached, next_offsets=reply.next_offsets, replica=reply.replica)


def caught_up_from_wire(message: wire.CatchUpReply) -> requests.CatchUpReply:
    return requests.CatchUpReply(message.reached, dict(message.next_offsets), message.replica)


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


def _item_to_wire(item: requests.ScoredItem) -> wire.ScoredItem:
    message = wire.ScoredItem(item_id=item.item_id, score=item.score, source=item.source)
    if item.propensity != 1.0:
        message.propensity = item.propensity
    if item.properties is not None:
        message.properties_json = orjson.dumps(item.properties)
    if item.promotion is not None:
        message.promotion = item.promotion
    return message


def _item_from_wire(message: wire.ScoredItem) -> requests.ScoredItem:
    return requests.ScoredItem(
        message.item_id,
        message.score,
        message.source,
        message.propensity if message.HasField("propensity") else 1.0,
        orjson.loads(message.properties_json) if message.HasField("properties_json") else None,
        message.promotion if message.HasField("promotion") else None,
    )


def _session_event_to_wire(event: requests.SessionEvent) -> wire.SessionEvent:
    _check_range("session", event.timestamp_ms, 2**63, "must have times in ms since 1970")
    return wire.SessionEvent(type=event.type, item_id=event.item_id, timestamp_ms=event.timestamp_ms)


def _overrides_as_json(overrides: requests.Overrides) -> dict[str, Any]:
    return {
        "boosts": [dict(boost) for boost in overrides.boosts],
        "diversity": None if overrides.diversity is None else dict(overrides.diversity),
        "exploration": None if overrides.exploration is None else dict(overrides.exploration),
    }


def _overrides_from_json(document: dict[str, Any]) -> requests.Overrides:
    return requests.Overrides(
        boosts=tuple(document.get("boosts") or ()),
        diversity=document.get("diversity"),
        exploration=document.get("exploration"),
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


def _check_range(field: str, value: int, end: int, rule: str) -> None:
    if not 0 <= value < end:
        raise InvalidDocument("recommend request", [Problem(field, rule, shorten(value))])


def dumped(field: str, value: dict[str, Any]) -> bytes:
    """Raises `InvalidDocument` for what is no JSON."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise InvalidDocument(
            "recommend request", [Problem(field, f"must be JSON: {error}", shorten(value))]
        ) from error


def loaded(field: str, data: bytes) -> dict[str, Any]:
    """Raises `InvalidDocument` for what is no JSON object."""
    try:
        value = orjson.loads(data or b"{}")
    except orjson.JSONDecodeError as error:
        raise InvalidDocument("recommend request", [Problem(field, f"must be JSON: {error}", shorten(data))]) from error
    if not isinstance(value, dict):
        raise InvalidDocument("recommend request", [Problem(field, "must be an object", shorten(value))])
    return value
