"""Property values as people write them in a form, and read them: text to what the schema's checks take, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from engine.spec.schema import Property, PropertyType
from engine.spec.values import BrokenRule, property_check

YES, NO = "yes", "no"


def value_of(text: str, declared: Property) -> Any:
    """What `text` says of a declared property, as it is stored; None for empty text. Raises `BrokenRule`."""
    if text == "" or (declared.type is not PropertyType.STRING and not text.strip()):
        return None
    return property_check(declared)(_read(text, declared.type))


def text_of(value: Any, declared: Property) -> str:
    """What `value_of` would read again; empty for None."""
    if value is None:
        return ""
    if declared.type is PropertyType.STRING_LIST and isinstance(value, list):
        return "\n".join(map(str, value))
    if declared.type is PropertyType.BOOLEAN:
        return YES if value else NO
    if declared.type is PropertyType.TIMESTAMP and isinstance(value, int):
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def sought_of(text: str, declared: Property) -> Any:
    """What rows of which a property is, or of whose members one is, `text`, contain. Raises `BrokenRule`."""
    if declared.type is PropertyType.STRING_LIST:
        return [text]
    if declared.type is PropertyType.VECTOR:
        raise BrokenRule("is a vector, by which nothing is found; open a page and look at what is nearest")
    return value_of(text, declared)


def _read(text: str, kind: PropertyType) -> Any:
    return _READERS[kind](text)


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in (YES, NO, "true", "false"):
        raise BrokenRule("must be yes or no")
    return word in (YES, "true")


def _timestamp(text: str) -> int | str:
    stripped = text.strip()
    return int(stripped) if stripped.lstrip("-").isdecimal() else stripped


def _vector(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise BrokenRule("must be a JSON list of numbers") from None


def _number(text: str, kind: type[int] | type[float], rule: str) -> int | float:
    try:
        return kind(text.strip())
    except ValueError:
        raise BrokenRule(rule) from None


_READERS: Final[dict[PropertyType, Callable[[str], Any]]] = {
    PropertyType.STRING: lambda text: text.replace("\r\n", "\n"),
    PropertyType.STRING_LIST: lambda text: [line.strip() for line in text.splitlines() if line.strip()],
    PropertyType.INTEGER: lambda text: _number(text, int, "must be a whole number"),
    PropertyType.FLOAT: lambda text: _number(text, float, "must be a number"),
    PropertyType.BOOLEAN: _boolean,
    PropertyType.TIMESTAMP: _timestamp,
    PropertyType.VECTOR: _vector,
}
