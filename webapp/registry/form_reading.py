"""From posted controls back to the parts of a JSON document. Nothing is judged here: what is not a number stays text, for the
specification to refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.spec.document import Document
from webapp.registry.field_shapes import Kind, Leaf, Part, Variants, shape_of

MAX_ROWS = 500


def read_part(
    model: type[Document], path: str, data: Mapping[str, Any], only: Sequence[str] | None = None
) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if name == "kind" or (only is not None and name not in only):
            continue
        inner = f"{path}.{name}"
        shape = shape_of(info)
        if isinstance(shape, Leaf):
            value = _read_leaf(shape, str(data.get(inner, "")).strip())
        elif isinstance(shape, Part):
            value = read_part(shape.model, inner, data) or None
        else:
            value = read_variant(shape, inner, data) or None
        if value is not None:
            read[name] = value
    return read


def read_row(shape: type[Document] | Variants, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return read_variant(shape, path, data) if isinstance(shape, Variants) else read_part(shape, path, data)


def read_variant(shape: Variants, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing but the shared fields when no kind was posted; the specification then says which kind it is."""
    kind = str(data.get(f"{path}.kind", "")).strip()
    read: dict[str, Any] = {"kind": kind} if kind else {}
    model = shape.models.get(kind)
    if model is not None:
        own = [name for name in model.model_fields if name not in shape.shared]
        read |= read_part(model, f"{path}.{kind}", data, own)
    return read | read_part(next(iter(shape.models.values())), path, data, shape.shared)


def _read_leaf(shape: Leaf, raw: str) -> Any:
    """What was typed as the field's type; None for nothing, text for what is no number."""
    if shape.kind == "boolean":
        return raw != ""
    if shape.kind == "weights":
        parts = (part.partition(":") for part in raw.split(",") if part.strip())
        return {name.strip(): _number(weight.strip(), float) for name, _, weight in parts} or None
    if shape.kind in _LISTS:
        return [_LISTS[shape.kind](part.strip()) for part in raw.split(",") if part.strip()]
    if not raw:
        return None
    return _number(raw, int) if shape.kind == "integer" else _number(raw, float) if shape.kind == "float" else raw


def row_indexes(data: Mapping[str, Any], name: str) -> list[int]:
    pattern = re.compile(rf"{name}\.(\d{{1,4}})\.")
    found = sorted({int(match.group(1)) for key in data if (match := pattern.match(key))})
    return found[: MAX_ROWS + 1]  # one more than the specification takes, for it to refuse


def _number(raw: str, make: type[int] | type[float]) -> int | float | str:
    try:
        return make(raw)
    except ValueError:
        return raw


_LISTS: dict[Kind, Callable[[str], Any]] = {
    "integers": lambda part: _number(part, int),
    "floats": lambda part: _number(part, float),
    "names": str,
}
