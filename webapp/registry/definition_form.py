"""The guided form of a model definition: controls made from the specification's own fields, and back to its JSON document.

The form never validates. It turns what was typed into the document the API takes, and the specification judges that; a
control's HTML name is the dotted path of its field, so a broken rule finds its control by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from engine.spec.definition import (
    DeepFM,
    DenseAdam,
    DenseInput,
    Slot,
    SparseAdagrad,
    Sync,
    Task,
    Training,
    TwoTower,
)
from engine.spec.document import Document

ARCHITECTURES: dict[str, type[Document]] = {"two_tower": TwoTower, "deepfm": DeepFM}
SECTIONS: dict[str, type[Document]] = {
    "sparse_optimizer": SparseAdagrad,
    "dense_optimizer": DenseAdam,
    "training": Training,
    "sync": Sync,
}
ROWS: dict[str, type[Document]] = {"slots": Slot, "dense": DenseInput, "tasks": Task}
LABELS = {"hidden": "Hidden units", "dim": "Dim", "shares": "Shares rows with", "log_q_correction": "Log-Q correction"}
# A list of the page and not options of each row: with every slot naming every other, a page would grow by their square.
DATALISTS = {"shares": "slot-names"}
MAX_ROWS = 500
UNITS = {"_s": "seconds", "_ms": "milliseconds", "_bytes": "bytes"}

Kind = Literal["integer", "float", "boolean", "integers", "choice", "text"]


@dataclass(frozen=True)
class Control:
    """One field on the page. `path` is its name in the document; `value` is what stands in it; `datalist` suggests others."""

    path: str
    label: str
    help: str
    kind: Kind
    value: str
    options: list[str] = field(default_factory=list)
    problem: str = ""
    datalist: str = ""

    @property
    def element_id(self) -> str:
        return "f-" + self.path.replace(".", "-")

    @property
    def checked(self) -> bool:
        return self.value == "true"


def document_from_form(data: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON document that the posted controls describe. What is not a number stays text, for the specification to refuse."""
    document: dict[str, Any] = {}
    for name, row in ROWS.items():
        document[name] = [_read(row, f"{name}.{index}", data) for index in _indexes(data, name)]
    kind = data.get("architecture.kind", "")
    architecture = ARCHITECTURES.get(kind)
    document["architecture"] = {"kind": kind}
    if architecture:
        document["architecture"] |= _read(architecture, f"architecture.{kind}", data)
    for name, section in SECTIONS.items():
        document[name] = _read(section, name, data)
    return document


def is_editable(document: Any) -> bool:
    """Whether the form can show the document: an object whose parts have the shapes the form has rows and sections for."""
    if not isinstance(document, dict):
        return False
    rows = all(
        isinstance(document.get(name, []), list) and all(isinstance(row, dict) for row in document.get(name, []))
        for name in ROWS
    )
    return rows and all(isinstance(document.get(name, {}), dict) for name in ("architecture", *SECTIONS))


def row_controls(
    name: str, document: Mapping[str, Any], problems: Mapping[str, str], options: Mapping[str, list[str]]
) -> list[list[Control]]:
    """Controls of each row of `slots`, `dense` or `tasks`."""
    rows = document.get(name) or []
    return [controls(ROWS[name], f"{name}.{index}", row, problems, options=options) for index, row in enumerate(rows)]


def controls(
    model: type[Document],
    path: str,
    values: Mapping[str, Any],
    problems: Mapping[str, str],
    *,
    options: Mapping[str, list[str]] | None = None,
) -> list[Control]:
    """A control for every field of `model` but its `kind`, filled from `values` or else with the field's default."""
    made = []
    for name, info in model.model_fields.items():
        if name == "kind":
            continue
        inner = f"{path}.{name}"
        value = values[name] if name in values else _default(info)
        choices = (options or {}).get(name) or _choices(info)
        text = _text(value)
        if choices and text and text not in choices:
            choices = [*choices, text]
        made.append(
            Control(
                path=inner,
                label=_label(name),
                help=info.description or "",
                kind="choice" if choices else _kind(info),
                value=text,
                options=choices,
                problem=problems.get(inner, ""),
                datalist=DATALISTS.get(name, ""),
            )
        )
    return made


def problems_by_path(problems: list[dict[str, str]]) -> dict[str, str]:
    """Rules by the control that broke them: a path that goes inside a control's value is cut back to the control."""
    found: dict[str, str] = {}
    for problem in problems:
        path = re.sub(r"(\.hidden)\.\d+$", r"\1", problem["field"])
        found[path] = problem["rule"]
    return found


def _read(model: type[Document], path: str, data: Mapping[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        if name == "kind":
            continue
        raw = str(data.get(f"{path}.{name}", "")).strip()
        kind = _kind(info)
        if kind == "boolean":
            read[name] = raw != ""
        elif kind == "integers":
            read[name] = [_number(part.strip(), int) for part in raw.split(",") if part.strip()]
        elif raw:
            read[name] = _number(raw, int) if kind == "integer" else _number(raw, float) if kind == "float" else raw
    return read


def _indexes(data: Mapping[str, Any], name: str) -> list[int]:
    pattern = re.compile(rf"{name}\.(\d{{1,4}})\.")
    found = sorted({int(match.group(1)) for key in data if (match := pattern.match(key))})
    return found[: MAX_ROWS + 1]  # one more than the specification takes, for it to refuse


def _number(raw: str, make: type[int] | type[float]) -> int | float | str:
    try:
        return make(raw)
    except ValueError:
        return raw


def _kind(info: FieldInfo) -> Kind:
    annotation = info.annotation
    if annotation is bool:
        return "boolean"
    if annotation is int:
        return "integer"
    if annotation is float:
        return "float"
    if get_origin(annotation) is list:
        return "integers"
    return "text"


def _choices(info: FieldInfo) -> list[str]:
    annotation = info.annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    return [str(value) for value in get_args(annotation)] if get_origin(annotation) is Literal else []


def _default(info: FieldInfo) -> Any:
    return "" if info.is_required() else info.get_default(call_default_factory=True)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return str(value)


def _label(name: str) -> str:
    """A field's name for people: `interval_s` is "Interval (seconds)"."""
    if name in LABELS:
        return LABELS[name]
    for suffix, unit in UNITS.items():
        if name.endswith(suffix):
            return f"{name.removesuffix(suffix).replace('_', ' ').capitalize()} ({unit})"
    return name.removeprefix("num_").replace("_", " ").capitalize()
