"""Between the plain values and the messages of what is asked for nobody's answer: `Evaluate` and `CountItems`."""

from __future__ import annotations

from typing import Any, Final

import orjson

from engine.errors import InvalidDocument, Problem
from engine.serving import requests
from engine.serving.codec import dumped, loaded, request_from_wire, request_to_wire
from engine.serving.wire import replica_pb2 as wire
from engine.spec.document import shorten
from engine.spec.values import BrokenRule, check_id, check_milliseconds, check_text

_AS_OF: Final = "as_of"


def evaluation_to_wire(asked: requests.EvaluateRequest) -> wire.EvaluateRequest:
    """Raises `InvalidDocument` when a value cannot be written."""
    return wire.EvaluateRequest(
        request=request_to_wire(asked.request),
        document_json=None if asked.document is None else dumped("document", dict(asked.document)),
        as_of_json=None if asked.as_of is None else orjson.dumps(asked.as_of),
        about=asked.about,
    )


def evaluation_from_wire(message: wire.EvaluateRequest) -> requests.EvaluateRequest:
    """Raises `InvalidDocument` when what should be a JSON object is none, or does not say who asked."""
    return requests.EvaluateRequest(
        request=request_from_wire(message.request),
        document=loaded("document", message.document_json) if message.HasField("document_json") else None,
        as_of=_as_of(loaded(_AS_OF, message.as_of_json)) if message.HasField("as_of_json") else None,
        about=tuple(message.about),
    )


def count_to_wire(asked: requests.CountRequest) -> wire.CountRequest:
    """Raises `InvalidDocument` when a value cannot be written."""
    return wire.CountRequest(
        project=asked.project,
        deployment=asked.deployment,
        expressions=[wire.Expression(field=field, text=text) for field, text in asked.expressions],
        user_id=asked.user_id,
        context_json=dumped("context", dict(asked.context)) if asked.context else b"",
        parameters_json=dumped("parameters", dict(asked.parameters)) if asked.parameters else b"",
    )


def count_from_wire(message: wire.CountRequest) -> requests.CountRequest:
    """Raises `InvalidDocument` when what should be a JSON object is none."""
    return requests.CountRequest(
        project=message.project,
        deployment=message.deployment,
        expressions=tuple((each.field, each.text) for each in message.expressions),
        user_id=message.user_id,
        context=loaded("context", message.context_json) if message.context_json else {},
        parameters=loaded("parameters", message.parameters_json) if message.parameters_json else {},
    )


def counted_to_wire(reply: requests.CountReply) -> wire.CountReply:
    return wire.CountReply(
        num_items=reply.num_items,
        counts=[
            wire.Count(
                num_holding=each.num_holding or 0,
                problems_json=orjson.dumps([problem.as_dict() for problem in each.problems]) if each.problems else b"",
            )
            for each in reply.counts
        ],
    )


def counted_from_wire(message: wire.CountReply) -> requests.CountReply:
    return requests.CountReply(message.num_items, tuple(_count(each) for each in message.counts))


def _count(message: wire.Count) -> requests.Count:
    if not message.problems_json:
        return requests.Count(message.num_holding)
    return requests.Count(None, tuple(Problem(**each) for each in orjson.loads(message.problems_json)))


def _as_of(raw: dict[str, Any]) -> requests.AsOf:
    try:
        time_ms = raw.get("time_ms")
        as_of = requests.AsOf(
            user=dict(raw.get("user") or {}),
            history=tuple(check_id(one) for one in raw.get("history") or ()),
            history_types=tuple(check_text(one) for one in raw.get("history_types") or ()),
            history_times_ms=tuple(check_milliseconds(one) for one in raw.get("history_times_ms") or ()),
            time_ms=None if time_ms is None else check_milliseconds(time_ms),
        )
    except (BrokenRule, TypeError, ValueError) as error:
        raise InvalidDocument("evaluation", [Problem(_AS_OF, f"must say who asked: {error}", shorten(raw))]) from error
    if len({len(as_of.history), len(as_of.history_types), len(as_of.history_times_ms)}) > 1:
        raise InvalidDocument(
            "evaluation", [Problem(_AS_OF, "must have a type and a time for each item", shorten(raw))]
        )
    return as_of
