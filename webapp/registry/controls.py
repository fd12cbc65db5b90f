"""Controls on the page for the fields of a document, filled with what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from pydantic.fields import FieldInfo

from engine.spec.document import Document
from webapp.registry.field_shapes import Kind, Leaf, Part, Variants, default_of, label_of, shape_of
from webapp.registry.kind_titles import title_of

# A list of the page and not options of each row: with every slot naming every other, a page would grow by their square.
DATALISTS = {"shares": "slot-names"}


@dataclass(frozen=True)
class Group:
    """The controls that only one kind of a document has."""

    kind: str
    controls: list[Control]


@dataclass(frozen=True)
class Control:
    """One field on the page. `path` is its name in the form; `value` is what stands in it; `datalist` suggests others; `default` is
    what the specification has where nothing is said.

    A choice between kinds of a document carries the controls of the fields that every kind has, and a group of controls
    for each kind that has fields of its own.
    """

    path: str
    label: str
    help: str
    kind: Kind
    value: str
    options: list[str] = field(default_factory=list)
    problem: str = ""
    datalist: str = ""
    default: str = ""
    shared: list[Control] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)

    @property
    def is_variant(self) -> bool:
        return bool(self.shared or self.groups)

    @property
    def element_id(self) -> str:
        return "f-" + self.path.replace(".", "-")

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Each option and what the page calls it."""
        return [(option, title_of(option)) for option in self.options]

    @property
    def default_words(self) -> str:
        """The default as the page says it; nothing where there is none."""
        if self.kind == "boolean":
            return {"true": "on", "false": "off"}.get(self.default, "")
        return title_of(self.default)

    @property
    def is_changed(self) -> bool:
        """Whether it says something else than the default."""
        return bool(self.value) and bool(self.default) and self.value != self.default

    @property
    def checked(self) -> bool:
        return self.value == "true"


def controls(
    model: type[Document],
    path: str,
    values: Mapping[str, Any],
    problems: Mapping[str, str],
    *,
    options: Mapping[str, list[str]] | None = None,
    only: Sequence[str] | None = None,
    at: str | None = None,
) -> list[Control]:
    """A control for every field of `model` (or those of `only`) but its `kind`, filled from `values` or else with the default.

    `at` is the path by which the specification's `problems` name `model`, where it differs from the form's own.
    """
    made: list[Control] = []
    for name, info in model.model_fields.items():
        if name == "kind" or (only is not None and name not in only):
            continue
        inner, inner_at = f"{path}.{name}", f"{at or path}.{name}"
        value = values[name] if name in values else default_of(info)
        shape = shape_of(info)
        if isinstance(shape, Variants):
            # an object that does not say its kind is of the default's
            given = {"kind": as_mapping(default_of(info)).get("kind", ""), **as_mapping(value)}
            text = info.description or ""
            made.append(variant_control(shape, inner, given, problems, label=label_of(name), help=text, at=inner_at))
        elif isinstance(shape, Part):
            made += _part_controls(shape, inner, value, problems, at=inner_at)
        else:
            offered = (options or {}).get(name) or list(shape.choices)
            problem = problems.get(inner_at, "") or problems.get(inner, "")
            made.append(_leaf(shape, inner, info, _text(value), options=offered, problem=problem))
    return made


def _part_controls(shape: Part, path: str, value: Any, problems: Mapping[str, str], *, at: str) -> list[Control]:
    """Of a part that is absent every control is empty: were its defaults there, posting the form would bring it about.

    A part of several fields goes before their labels, for there they stand among others.
    """
    fields = shape.model.model_fields
    values = dict.fromkeys(fields) if value is None else as_mapping(value)
    made = controls(shape.model, path, values, problems, at=at)
    if len(fields) == 1:
        return made
    whole = label_of(path.rpartition(".")[2])
    return [replace(control, label=f"{whole}: {control.label[0].lower()}{control.label[1:]}") for control in made]


def variant_control(
    shape: Variants,
    path: str,
    values: Mapping[str, Any],
    problems: Mapping[str, str],
    *,
    label: str,
    help: str = "",
    at: str | None = None,
    options: Mapping[str, list[str]] | None = None,
) -> Control:
    """The choice between kinds, with what every kind has and, in groups, what only one has."""
    at = at or path
    kinds = list(shape.models)
    kind = str(values.get("kind", ""))
    groups = []
    for each, model in shape.models.items():
        own = [name for name in model.model_fields if name not in shape.shared]
        given = values if each == kind else {}
        inner = controls(model, f"{path}.{each}", given, problems, only=own, at=f"{at}.{each}", options=options)
        if inner:
            groups.append(Group(each, inner))
    chosen = shape.models.get(kind) or shape.models[kinds[0]]
    return Control(
        path=f"{path}.kind",
        label=label,
        help=help,
        kind="choice",
        value=kind,
        options=kinds if not kind or kind in kinds else [*kinds, kind],
        problem=problems.get(at, "") or problems.get(f"{at}.{kind}", ""),
        shared=controls(chosen, path, values, problems, only=shape.shared, at=f"{at}.{kind}", options=options),
        groups=groups,
    )


def as_mapping(value: Any) -> Mapping[str, Any]:
    """A part's values: a default as JSON, a bare number as the constant it stands for; nothing for what is absent."""
    if isinstance(value, Document):
        return value.as_json()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"kind": "constant", "value": value}
    return value if isinstance(value, Mapping) else {}


def _leaf(shape: Leaf, path: str, info: FieldInfo, text: str, *, options: list[str], problem: str) -> Control:
    name = path.rpartition(".")[2]
    return Control(
        path=path,
        label=label_of(name),
        help=info.description or "",
        kind="choice" if options else shape.kind,
        value=text,
        options=[*options, text] if options and text and text not in options else options,
        problem=problem,
        datalist=DATALISTS.get(name, ""),
        default="" if info.is_required() else _text(default_of(info)),
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    value = value.value if isinstance(value, Enum) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_text(weight)}" for name, weight in value.items())
    if isinstance(value, float) and value.is_integer():
        return f"{value:.0f}"
    return str(value)


def every_control(made: Sequence[Control]) -> Iterator[Control]:
    """The controls and all inside them, as a browser would post them."""
    for control in made:
        yield control
        yield from every_control(control.shared)
        for group in control.groups:
            yield from every_control(group.controls)
