"""A definition without what the specification says anyway: the JSON that people read beside the form, which shows the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic.fields import FieldInfo

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.document import Document
from webapp.registry.definition_form import ROWS
from webapp.registry.field_shapes import Part, Variants, default_of, shape_of

_ALWAYS: Final = ("kind", "name", "number", "source", "event_type", "dim")
"""What is said in any case, so that a row says what it is."""


def lean(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with every field left out that equals its default. It means the same; what is no definition stays as it is."""
    kept: dict[str, Any] = {}
    for name, value in document.items():
        info = ModelDefinition.model_fields.get(name)
        if name in ROWS and isinstance(value, list):
            shape = ROWS[name]
            rows = [_lean_of(shape if isinstance(shape, Variants) else Part(shape), row, is_row=True) for row in value]
            if rows or name == "slots":
                kept[name] = rows
        elif info is None:
            kept[name] = value
        elif info.is_required() or not _says_default(info, value):
            shorter = _lean_of(shape_of(info), value, is_row=name == "architecture")
            if shorter or shorter == 0:
                kept[name] = shorter
    return kept


def lean_row(part: str, row: Any) -> Any:
    """One row of `features`, `slots`, `dense` or `tasks` likewise; of anything else, as it is."""
    shape = ROWS.get(part)
    if shape is None or not isinstance(row, dict):
        return row
    return _lean_of(shape if isinstance(shape, Variants) else Part(shape), row, is_row=True)


def _says_default(info: FieldInfo, value: Any) -> bool:
    """Whether it is the default, however it is spelled: a rate may be a number, and a part may leave out what goes without saying."""
    default = default_of(info)
    if not isinstance(default, Document):
        return bool(value == getattr(default, "value", default))
    try:
        return type(default).parse(value) == default
    except InvalidDocument:
        return False


def _lean_of(shape: Any, value: Any, *, is_row: bool) -> Any:
    """None, or nothing, for a part that says nothing but defaults."""
    if not isinstance(value, dict):
        return value
    if isinstance(shape, Part):
        return _fields(shape.model, value, is_row=is_row)
    if isinstance(shape, Variants):
        model = shape.models.get(str(value.get("kind", "")))
        return value if model is None else _fields(model, value, is_row=is_row)
    return value


def _fields(model: type[Document], value: Mapping[str, Any], *, is_row: bool) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, given in value.items():
        info = model.model_fields.get(name)
        if info is None or info.is_required() or name == "kind" or (is_row and name in _ALWAYS):
            kept[name] = given
            continue
        shape = shape_of(info)
        if not _says_default(info, given):
            kept[name] = _lean_of(shape, given, is_row=False)
    return kept
