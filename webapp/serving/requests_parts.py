"""The parts that the bodies of `/recommend`, `/rank` and `/similar` are made of."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema

from engine.spec.document import Document, Name
from engine.spec.values import MAX_ID_LENGTH, BrokenRule, check_id, check_timestamp

MAX_CONTEXT_KEYS = 100
MAX_CONTEXT_BYTES = 16_384
MAX_SESSION_EVENTS = 200
MAX_FIELDS = 50
MAX_PARAMETERS = 50
MAX_PARAMETER_VALUES = 1_000
MAX_TOKEN_CHARACTERS = 32_768


def _id(value: Any) -> str:
    try:
        return check_id(value)
    except BrokenRule as broken:
        raise ValueError(str(broken)) from None


def _milliseconds(value: Any) -> int:
    try:
        return check_timestamp(value)
    except BrokenRule as broken:
        raise ValueError(str(broken)) from None


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) > MAX_CONTEXT_KEYS:
        raise ValueError(f"must have at most {MAX_CONTEXT_KEYS} keys")
    if value and len(orjson.dumps(value)) > MAX_CONTEXT_BYTES:
        raise ValueError(f"must be at most {MAX_CONTEXT_BYTES} bytes of JSON")
    return value


def _object(value: Any) -> Any:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


def _whole_number(value: Any) -> Any:
    if isinstance(value, bool | float):
        raise ValueError("must be a whole number")
    return value


def _parameter(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if not isinstance(value, list):
        raise ValueError("must be a string, a number, a boolean, or a list of strings or of numbers")
    if len(value) > MAX_PARAMETER_VALUES:
        raise ValueError(f"must have at most {MAX_PARAMETER_VALUES} values")
    are_texts = all(isinstance(one, str) for one in value)
    if not are_texts and not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        raise ValueError("must be a list of strings or a list of numbers")
    return value


def _each_once(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise ValueError("must name each once")
    return value


Id = Annotated[str, BeforeValidator(_id), Field(min_length=1, max_length=MAX_ID_LENGTH)]
"""A user, item or event id, by the rules that events follow."""

WholeNumber = Annotated[int, BeforeValidator(_whole_number)]

Properties = Annotated[dict[str, Any], BeforeValidator(_object), AfterValidator(_bounded)]
"""Declared properties by name, bounded in number and size; the project's schema judges them afterwards."""

DeploymentName = Annotated[str, StringConstraints(min_length=1, max_length=63)]

Parameter = Annotated[
    Any,
    AfterValidator(_parameter),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "number", "boolean", "null"]},
                {"type": "array", "items": {"type": "string"}, "maxItems": MAX_PARAMETER_VALUES},
                {"type": "array", "items": {"type": "number"}, "maxItems": MAX_PARAMETER_VALUES},
            ]
        }
    ),
]
Parameters = Annotated[dict[Name, Parameter], Field(max_length=MAX_PARAMETERS)]

Fields = Annotated[list[Name], Field(max_length=MAX_FIELDS), AfterValidator(_each_once)]


class SessionEventBody(Document):
    """Something the user just did, which no event has said yet."""

    type: Name = Field(description="an event type of the schema")
    item_id: Id
    timestamp: Annotated[int, BeforeValidator(_milliseconds)] | None = Field(
        default=None, description="RFC 3339 or integer milliseconds; now unless told"
    )
