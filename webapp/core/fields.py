"""Fields of the API's requests that hold our own kinds of values, and reading a request as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from engine.errors import Problem
from engine.spec.document import shorten
from engine.spec.values import MAX_ID_LENGTH, BrokenRule, check_id
from webapp.core.api_errors import flattened
from webapp.core.errors import Invalid, TooLarge
from webapp.core.paging import MAX_PAGE


@extend_schema_field({"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH})
class IdField(serializers.Field[str, str, str, Any]):
    """A user, item or event id, by the rules that events follow."""

    def to_internal_value(self, data: Any) -> str:
        try:
            return check_id(data)
        except BrokenRule as broken:
            raise serializers.ValidationError(str(broken)) from None

    def to_representation(self, value: str) -> str:
        return value


@extend_schema_field(OpenApiTypes.OBJECT)
class BoundedObjectField(serializers.Field[dict[str, Any], dict[str, Any], dict[str, Any], Any]):
    """A JSON object of at most `max_keys` keys and `max_bytes` bytes when written as JSON."""

    def __init__(self, *, max_keys: int, max_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_keys, self.max_bytes = max_keys, max_bytes

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("must be an object")
        if len(data) > self.max_keys:
            raise serializers.ValidationError(f"must have at most {self.max_keys} keys")
        if len(orjson.dumps(data)) > self.max_bytes:
            raise serializers.ValidationError(f"must be at most {self.max_bytes} bytes of JSON")
        return data

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


class RequestBody(serializers.Serializer[Any]):
    """A request's fields; one that is not declared is refused, so that a misspelt option is never ignored."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                rule = f"is not a field; the fields are: {', '.join(self.fields)}"
                raise serializers.ValidationError({str(name)[:80]: [rule] for name in unknown[:20]})
        return super().to_internal_value(data)


class PageQuery(RequestBody):
    """Query parameters of a list."""

    cursor = serializers.CharField(required=False, default=None, max_length=2000, help_text="next_cursor of a page")
    limit = serializers.IntegerField(required=False, default=100, min_value=1, max_value=MAX_PAGE)
    search = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=256, help_text="part of an id"
    )


def read(fields: type[RequestBody], data: Any) -> dict[str, Any]:
    """The checked fields. Raises `Invalid` with every problem: the field, its rule, and what was received."""
    if not isinstance(data, Mapping):
        raise Invalid.field("(document)", "must be an object", shorten(data))
    serializer = fields(data=data)
    if serializer.is_valid():
        return dict(serializer.validated_data)
    problems = [Problem(field, rule, _received(data, field)) for field, rule in flattened(serializer.errors)]
    raise Invalid(
        "; ".join(f"{one.field}: {one.rule}" for one in problems[:5]), problems=[one.as_dict() for one in problems]
    )


def read_rows(data: Any, name: str, max_rows: int) -> list[object]:
    """The rows of a batch: a JSON array, or an object with the array under `name`. Raises `Invalid`, `TooLarge`."""
    rows = data
    if isinstance(data, Mapping):
        for other in data.keys() - {name}:
            raise Invalid.field(str(other)[:80], f"is not a field; the only field is {name}", shorten(data[other]))
        rows = data.get(name)
    if not isinstance(rows, list):
        raise Invalid.field(name, "must be an array of rows", shorten(rows) if data else "nothing")
    if not rows:
        raise Invalid.field(name, "must have at least one row", "[]")
    if len(rows) > max_rows:
        raise TooLarge(
            f"{len(rows)} rows in one request; at most {max_rows} are taken. Send them in several requests.",
            max_rows=max_rows,
            received=len(rows),
        )
    return rows


def _received(data: Any, field: str) -> str:
    found = data
    for part in field.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return "nothing"
    return shorten(found)
