"""A JSON Schema as rows that a person reads: a field's name, its type in words, its limits, and the fields within."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 4
MAX_FIELDS = 60
LIMITS = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "to {}"),
    ("exclusiveMaximum", "below {}"),
    ("minItems", "at least {} members"),
    ("maxItems", "at most {} members"),
    ("maxProperties", "at most {} members"),
)

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """`type` and `limits` are words; `default` is JSON's, as text, "" for none."""

    name: str
    type: str
    is_required: bool
    description: str
    limits: str
    default: str
    fields: tuple[Field, ...]


def resolved(schema: Schema, schemas: Schema) -> Schema:
    """With its own reference followed, and what `allOf` adds; of alternatives the first that is not null."""
    seen = 0
    while seen < 10:
        seen += 1
        if "$ref" in schema:
            target = schemas.get(str(schema["$ref"]).rsplit("/", 1)[-1], {})
            schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
        elif len(schema.get("allOf", ())) == 1:
            rest = {name: value for name, value in schema.items() if name != "allOf"}
            schema = {**schema["allOf"][0], **rest}
        elif alternatives := _alternatives(schema):
            if len(alternatives) > 1:
                return schema
            rest = {name: value for name, value in schema.items() if name not in ("anyOf", "oneOf")}
            schema = {**alternatives[0], **rest}
        else:
            break
    return schema


def fields_of(schema: Schema, schemas: Schema, depth: int = 0) -> tuple[Field, ...]:
    """Of an object its properties; of a list those of a member; of alternatives those of the first object. () for plain values."""
    found = resolved(schema, schemas)
    if found.get("type") == "array" and isinstance(found.get("items"), Mapping):
        return fields_of(found["items"], schemas, depth)
    for one in _alternatives(found):
        if fields := fields_of(one, schemas, depth):
            return fields
    properties = found.get("properties")
    if not isinstance(properties, Mapping) or depth >= MAX_DEPTH:
        return ()
    required = found.get("required", ())
    return tuple(
        _field(name, said, name in required, schemas, depth) for name, said in list(properties.items())[:MAX_FIELDS]
    )


def _field(name: str, said: Schema, is_required: bool, schemas: Schema, depth: int) -> Field:
    found = resolved(said, schemas)
    default = found.get("default")
    return Field(
        name=name,
        type=_words(found, schemas),
        is_required=is_required,
        description=str(said.get("description") or found.get("description") or ""),
        limits=", ".join(_limit(text, found[key]) for key, text in LIMITS if key in found),
        default="" if default is None or default in ([], {}, "") else _json(default),
        fields=fields_of(found, schemas, depth + 1),
    )


def _limit(text: str, bound: object) -> str:
    said = text.format(f"{bound:,}" if isinstance(bound, int) else bound)
    return said.removesuffix("s") if bound == 1 and said.endswith("s") else said


def _words(schema: Schema, schemas: Schema) -> str:
    if "const" in schema:
        return _json(schema["const"])
    if "enum" in schema:
        return " or ".join(_json(one) for one in schema["enum"][:12])
    if alternatives := _alternatives(schema):
        words = dict.fromkeys(_words(resolved(one, schemas), schemas) for one in alternatives[:6])
        return " or ".join(words)
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        return f"list of {_words(resolved(items, schemas), schemas)}" if isinstance(items, Mapping) else "list"
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        return " or ".join(str(one) for one in kind if one != "null")
    return str(schema.get("format") or kind or "any JSON")


def _alternatives(schema: Schema) -> list[Schema]:
    found = schema.get("anyOf") or schema.get("oneOf") or ()
    return [one for one in found if isinstance(one, Mapping) and one.get("type") != "null"]


def _json(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
