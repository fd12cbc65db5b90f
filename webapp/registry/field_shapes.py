"""What kind of control a field of the specification needs, read from its type."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from engine.spec.document import Document

LABELS = {
    "hidden": "Hidden units",
    "dim": "Dim",
    "senet_reduction": "SENet reduction",
    "lhuc_slots": "LHUC slots",
    "cin": "CIN feature maps",
    "shares": "Shares rows with",
    "log_q_correction": "Log-Q correction",
    "min_count": "Sightings",
    "window_s": "Counts halve every (seconds)",
    "ttl_s": "Expires after (seconds)",
    "value": "Rate",
    "final": "Final rate",
    "warmup_steps": "Warm-up steps",
    "l1": "L1",
    "l2": "L2",
    "nesterov": "Nesterov's look ahead",
    "clip_norm": "Clip length",
    "clip_value": "Clip floats",
    "initializer": "New rows",
    "max_table_bytes": "Memory budget (bytes)",
    "evict": "When full, evict",
    "max_candidates": "Ids waiting for admission",
}
UNITS = {"_s": "seconds", "_ms": "milliseconds", "_bytes": "bytes"}

Kind = Literal["integer", "float", "boolean", "integers", "floats", "names", "weights", "choice", "text"]

_SCALARS: dict[Any, Kind] = {bool: "boolean", int: "integer", float: "float"}


@dataclass(frozen=True)
class Leaf:
    """One value: a control."""

    kind: Kind
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """A document of its own, or none."""

    model: type[Document]


@dataclass(frozen=True)
class Variants:
    """One of several documents, told apart by `kind`. `shared` are the fields that each of them has, of the same type."""

    models: dict[str, type[Document]]

    @property
    def shared(self) -> list[str]:
        first, *others = self.models.values()
        return [
            name
            for name in first.model_fields
            if name != "kind" and all(_same_field(name, first, other) for other in others)
        ]


def shape_of(info: FieldInfo) -> Leaf | Part | Variants:
    return _shape(info.annotation)


def default_of(info: FieldInfo) -> Any:
    return "" if info.is_required() else info.get_default(call_default_factory=True)


def label_of(name: str) -> str:
    """A field's name for people: `interval_s` is "Interval (seconds)"."""
    if name in LABELS:
        return LABELS[name]
    for suffix, unit in UNITS.items():
        if name.endswith(suffix):
            return f"{name.removesuffix(suffix).replace('_', ' ').capitalize()} ({unit})"
    return name.removeprefix("num_").replace("_", " ").capitalize()


def variants_of(annotation: Any) -> Variants:
    """The shape of a tagged union. Raises TypeError for a type that is none."""
    shape = _shape(annotation)
    if not isinstance(shape, Variants):
        raise TypeError(f"{annotation} is not a union of documents told apart by kind")
    return shape


def _shape(annotation: Any) -> Leaf | Part | Variants:
    members = _members(annotation)
    documents = [member for member in members if isinstance(member, type) and issubclass(member, Document)]
    if len(documents) > 1:
        return Variants({model.model_fields["kind"].default: model for model in documents})
    if documents:
        return Part(documents[0])
    return _leaf(members[0])


def _members(annotation: Any) -> list[Any]:
    """The types a value may have, None left out, whatever rules are attached to them."""
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) if part is not NoneType for member in _members(part)]
    return [annotation]


def _leaf(annotation: Any) -> Leaf:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Leaf("choice", tuple(str(member.value) for member in annotation))
    if get_origin(annotation) is Literal:
        return Leaf("choice", tuple(str(value) for value in get_args(annotation)))
    if annotation in _SCALARS:
        return Leaf(_SCALARS[annotation])
    if get_origin(annotation) is dict:
        return Leaf("weights")
    if get_origin(annotation) is list:
        member = _members(get_args(annotation)[0])[0]
        return Leaf("integers" if member is int else "floats" if member is float else "names")
    return Leaf("text")


def _same_field(name: str, first: type[Document], other: type[Document]) -> bool:
    fields = first.model_fields, other.model_fields
    return name in fields[1] and fields[0][name].annotation == fields[1][name].annotation
