"""The guided form of a model definition: controls made from the specification's own fields, and back to its JSON document.

The form never validates. It turns what was typed into the document the API takes, and the specification judges that; a
control's HTML name is the dotted path of its field. Where a document has one of several kinds, the path of a field that only
this kind has goes through the kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
from webapp.registry.field_shapes import Part, Variants, shape_of, variants_of
from webapp.registry.form_reading import read_part, read_row, read_variant, row_indexes

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


def document_from_form(data: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON document that the posted controls describe. What is not a number stays text, for the specification to refuse."""
    document: dict[str, Any] = {}
    for name, row in ROWS.items():
        document[name] = [read_row(row, f"{name}.{index}", data) for index in row_indexes(data, name)]
    kind = data.get("architecture.kind", "")
    architecture = ARCHITECTURES.get(kind)
    document["architecture"] = {"kind": kind}
    if architecture:
        document["architecture"] |= read_part(architecture, f"architecture.{kind}", data)
    if score := read_variant(SCORES, "score", data):
        document["score"] = score
    document["sparse_optimizer"] = read_variant(SPARSE_OPTIMIZERS, "sparse_optimizer", data)
    document["dense_optimizer"] = read_variant(DENSE_OPTIMIZERS, "dense_optimizer", data)
    for name, section in SECTIONS.items():
        document[name] = read_part(section, name, data)
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
