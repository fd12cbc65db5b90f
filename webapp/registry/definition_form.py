"""The guided form of a model definition: controls made from the specification's own fields, and back to its JSON document.

The form never validates. It turns what was typed into the document the API takes, and the specification judges that; a
control's HTML name is the dotted path of its field. Where a document has one of several kinds, the path of a field that only
this kind has goes through the kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.spec.architecture import ARCHITECTURES
from engine.spec.definition import DenseInput, Slot, Sync, Training
from engine.spec.dense_optimizer import DenseOptimizer
from engine.spec.document import Document
from engine.spec.feature import Feature
from engine.spec.retention import Retention
from engine.spec.score import Score
from engine.spec.serving_copy import ServingCopy
from engine.spec.sparse_optimizer import SparseOptimizer
from engine.spec.task import Task
from webapp.registry.controls import Control, controls, variant_control
from webapp.registry.field_shapes import Kind, Leaf, Part, Variants, shape_of, variants_of

SCORES = variants_of(Score)
SPARSE_OPTIMIZERS = variants_of(SparseOptimizer)
DENSE_OPTIMIZERS = variants_of(DenseOptimizer)
SECTIONS: dict[str, type[Document]] = {
    "training": Training,
    "sync": Sync,
    "retention": Retention,
    "serving": ServingCopy,
}
ROWS: dict[str, type[Document] | Variants] = {
    "features": variants_of(Feature),
    "slots": Slot,
    "dense": DenseInput,
    "tasks": variants_of(Task),
}
SLOT_RULES = ("admission", "expiry", "learning_rate_scale")
MAX_ROWS = 500


def document_from_form(data: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON document that the posted controls describe. What is not a number stays text, for the specification to refuse."""
    document: dict[str, Any] = {}
    for name, row in ROWS.items():
        document[name] = [_read_row(row, f"{name}.{index}", data) for index in _indexes(data, name)]
    kind = data.get("architecture.kind", "")
    architecture = ARCHITECTURES.get(kind)
    document["architecture"] = {"kind": kind}
    if architecture:
        document["architecture"] |= _read(architecture, f"architecture.{kind}", data)
    if score := _read_variant(SCORES, "score", data):
        document["score"] = score
    document["sparse_optimizer"] = _read_variant(SPARSE_OPTIMIZERS, "sparse_optimizer", data)
    document["dense_optimizer"] = _read_variant(DENSE_OPTIMIZERS, "dense_optimizer", data)
    for name, section in SECTIONS.items():
        document[name] = _read(section, name, data)
    return document


def is_editable(document: Any) -> bool:
    """Whether the form can show the document: an object whose parts have the shapes the form has rows and sections for."""
    if not isinstance(document, dict) or not isinstance(document.get("architecture", {}), dict):
        return False
    for name, shape in ROWS.items():
        rows = document.get(name, [])
        if not isinstance(rows, list) or not all(_fits_row(shape, row) for row in rows):
            return False
    variants = {"score": SCORES, "sparse_optimizer": SPARSE_OPTIMIZERS, "dense_optimizer": DENSE_OPTIMIZERS}
    return all(_fits_variant(shape, document.get(name, {})) for name, shape in variants.items()) and all(
        _fits(section, document.get(name, {})) for name, section in SECTIONS.items()
    )


def _fits_row(shape: type[Document] | Variants, value: Any) -> bool:
    return _fits_variant(shape, value) if isinstance(shape, Variants) else _fits(shape, value)


def _fits(model: type[Document], value: Any) -> bool:
    """Whether every part of the value that the form shows as a part is one, and the form would lose nothing of it."""
    if not isinstance(value, dict) or not value.keys() <= model.model_fields.keys():
        return False
    for name, info in model.model_fields.items():
        shape, inner = shape_of(info), value.get(name)
        if isinstance(shape, Part) and inner is not None and not _fits(shape.model, inner):
            return False
        if isinstance(shape, Variants) and name in value and not _fits_variant(shape, inner):
            return False
    return True


def _fits_variant(shape: Variants, value: Any) -> bool:
    if isinstance(value, int | float) and "constant" in shape.models:
        return True
    if not isinstance(value, dict):
        return False
    model = shape.models.get(str(value.get("kind", "")))
    return model is None or _fits(model, value)


def row_controls(
    name: str,
    document: Mapping[str, Any],
    problems: Mapping[str, str],
    options: Mapping[str, list[str]] | None = None,
    only: Sequence[str] | None = None,
) -> list[list[Control]]:
    """Controls of each row of `features`, `slots`, `dense` or `tasks`; of rows of several kinds, the choice and what follows from it."""
    shape, rows = ROWS[name], document.get(name) or []
    if isinstance(shape, Variants):
        return [
            [variant_control(shape, f"{name}.{index}", _of_a_kind(shape, row), problems, label="Kind", options=options)]
            for index, row in enumerate(rows)
        ]
    return [
        controls(shape, f"{name}.{index}", row, problems, options=options, only=only) for index, row in enumerate(rows)
    ]


def empty_row(name: str) -> dict[str, Any]:
    """A row to add; of several kinds, of the first."""
    shape = ROWS[name]
    return _of_a_kind(shape, {}) if isinstance(shape, Variants) else {}


def _of_a_kind(shape: Variants, row: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": next(iter(shape.models)), **row}


def problems_by_path(problems: list[dict[str, str]]) -> dict[str, str]:
    """Rules by the control that broke them: a path that goes inside a control's value is cut back to the control."""
    found: dict[str, str] = {}
    for problem in problems:
        path = re.sub(r"(\..+)\.\d+$", r"\1", problem["field"])
        path = re.sub(r"(\.weights)\..*$", r"\1", path)
        found[path] = problem["rule"]
    return found


def _read(
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
            value = _read(shape.model, inner, data) or None
        else:
            value = _read_variant(shape, inner, data) or None
        if value is not None:
            read[name] = value
    return read


def _read_row(shape: type[Document] | Variants, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return _read_variant(shape, path, data) if isinstance(shape, Variants) else _read(shape, path, data)


def _read_variant(shape: Variants, path: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing but the shared fields when no kind was posted; the specification then says which kind it is."""
    kind = str(data.get(f"{path}.kind", "")).strip()
    read: dict[str, Any] = {"kind": kind} if kind else {}
    model = shape.models.get(kind)
    if model is not None:
        own = [name for name in model.model_fields if name not in shape.shared]
        read |= _read(model, f"{path}.{kind}", data, own)
    return read | _read(next(iter(shape.models.values())), path, data, shape.shared)


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


def _indexes(data: Mapping[str, Any], name: str) -> list[int]:
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
