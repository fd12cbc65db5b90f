"""What of a definition a search may vary, with a range that usually makes sense: the rows of the guided form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.spec.definition import ModelDefinition
from webapp.registry.field_shapes import Leaf, label_of, shape_of

LOG, UNIFORM, INTEGER, LOG_INTEGER, CHOICE = "log", "uniform", "integer", "log_integer", "choice"
KINDS: Final = {
    LOG: "log-uniform",
    UNIFORM: "uniform",
    INTEGER: "integer",
    LOG_INTEGER: "integer, log-uniform",
    CHOICE: "choice",
}
_OF_FLOATS, _OF_WHOLE, _OF_OTHERS = (LOG, UNIFORM, CHOICE), (INTEGER, LOG_INTEGER, CHOICE), (CHOICE,)

_PRESETS: Final[dict[str, tuple[str, float, float]]] = {
    "sparse_optimizer.learning_rate": (LOG, 0.005, 0.5),
    "sparse_optimizer.learning_rate.value": (LOG, 0.005, 0.5),
    "dense_optimizer.learning_rate": (LOG, 0.0001, 0.01),
    "dense_optimizer.learning_rate.value": (LOG, 0.0001, 0.01),
    "dense_optimizer.clip_norm": (LOG, 0.1, 10.0),
    "sparse_optimizer.clip_norm": (LOG, 0.1, 10.0),
    "sparse_optimizer.clip_value": (LOG, 0.1, 10.0),
    "sparse_optimizer.weight_decay": (LOG, 1e-6, 1e-2),
    "architecture.dropout": (UNIFORM, 0.0, 0.5),
    "architecture.temperature": (LOG, 0.02, 0.5),
}
_SUGGESTED: Final = ("learning_rate", "learning_rate.value", "hidden")
_PARTS: Final = {
    "sparse_optimizer": "Embedding optimizer",
    "dense_optimizer": "Network optimizer",
    "architecture": "Architecture",
}
_ADMISSIONS: Final = [{"kind": "always"}, {"kind": "min_count", "min_count": 2}, {"kind": "min_count", "min_count": 5}]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One place that may vary: how (`kinds` are those it can), from where to where, or among which JSON `values`."""

    path: str
    group: str
    label: str
    now: str
    kinds: tuple[str, ...]
    kind: str
    low: str = ""
    high: str = ""
    values: str = ""
    is_suggested: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a value is, and what the page calls it."""

    path: str
    group: str
    label: str

    def parameter(self, value: Any, kinds: tuple[str, ...], kind: str, **given: str) -> Parameter:
        is_suggested = self.path.partition(".")[2] in _SUGGESTED
        return Parameter(
            self.path, self.group, self.label, _word(value), kinds, kind, is_suggested=is_suggested, **given
        )


def parameters(document: Mapping[str, Any]) -> list[Parameter]:
    """Of a model version's definition, in the order of its parts."""
    definition = ModelDefinition.parse(document)
    found = [each for part, title in _PARTS.items() for each in _of_part(part, title, getattr(definition, part))]
    found += [
        _Place(f"tasks.{place}.weight", "Tasks", f"Weight of {task.name}").parameter(
            task.weight, _OF_FLOATS, LOG, low="0.1", high="10"
        )
        for place, task in enumerate(definition.tasks)
        if len(definition.tasks) > 1
    ]
    size = definition.training.batch_size
    found.append(_choice(_Place("training.batch_size", "Training", "Batch size"), size, _around(size)))
    dims = sorted({slot.dim for slot in definition.slots})
    now = dims[0] if len(dims) == 1 else dims
    found.append(_choice(_Place("slots.*.dim", "Slots", "Dim of every slot"), now, _around(*dims)))
    kinds = sorted({slot.admission.kind for slot in definition.slots if slot.shares is None})
    place = _Place("slots.*.admission", "Slots", "Admission of every slot")
    found.append(_choice(place, " or ".join(kinds), _ADMISSIONS))
    return found


def _of_part(part: str, group: str, document: BaseModel, at: str = "") -> Iterator[Parameter]:
    for name, info in type(document).model_fields.items():
        value, shape = getattr(document, name), shape_of(info)
        place = _Place(f"{part}.{at}{name}", group, label_of(f"{at}{name}".replace(".", "_")))
        if isinstance(value, BaseModel):
            dumped = document.model_dump(mode="json")[name]
            if isinstance(dumped, dict):
                yield from _of_part(part, group, value, f"{at}{name}.")
            else:  # a constant rate is written as its number
                yield _number(place, dumped, _Bounds(None, None))
        elif name != "kind" and isinstance(shape, Leaf):
            yield from _of_leaf(place, value, shape, _bounds(info))


def _of_leaf(place: _Place, value: Any, shape: Leaf, bounds: _Bounds) -> Iterator[Parameter]:
    if shape.kind == "float":
        yield _number(place, value, bounds)
    elif shape.kind == "integer":
        yield _whole(place, value, bounds)
    elif shape.kind == "boolean":
        yield _choice(place, value, [False, True])
    elif shape.kind == "integers" and value:
        wider = [[2 * units for units in value], [max(1, units // 2) for units in value]]
        yield _choice(place, value, [value, *wider])
    elif shape.kind == "choice" and shape.choices:
        yield _choice(place, str(value), list(shape.choices))


@dataclass(frozen=True, slots=True)
class _Bounds:
    low: float | None
    high: float | None


def _bounds(info: FieldInfo) -> _Bounds:
    low = high = None
    for rule in info.metadata:
        if isinstance(rule, Ge | Gt):
            low = float(rule.ge if isinstance(rule, Ge) else rule.gt)  # type: ignore[arg-type]  # of our documents: numbers
        elif isinstance(rule, Le | Lt):
            high = float(rule.le if isinstance(rule, Le) else rule.lt)  # type: ignore[arg-type]
    return _Bounds(low, high)


def _number(place: _Place, value: float | None, bounds: _Bounds) -> Parameter:
    """By default a tenth to ten times what it is; of a share its neighbourhood."""
    now = value or 0.0
    kind, low, high = LOG, (now or 0.01) / 10, (now or 0.01) * 10
    if bounds.high is not None and bounds.high <= 1 and now > 0.1:
        kind, low, high = UNIFORM, max(bounds.low or 0.0, now / 2), (bounds.high + now) / 2
    elif bounds.high is not None:
        high = min(high, bounds.high)
    kind, low, high = _PRESETS.get(place.path, (kind, low, high))
    return place.parameter(value, _OF_FLOATS, kind, low=f"{low:.4g}", high=f"{high:.4g}")


def _whole(place: _Place, value: int | None, bounds: _Bounds) -> Parameter:
    """By default half to twice what it is."""
    low, high = max(int(bounds.low or 0), (value or 1) // 2, 1), max(2 * (value or 1), 2)
    if bounds.high is not None:
        high = min(high, int(bounds.high))
    return place.parameter(value, _OF_WHOLE, INTEGER, low=str(low), high=str(high))


def _choice(place: _Place, value: Any, values: list[Any]) -> Parameter:
    words = ", ".join(json.dumps(each) for each in values)
    if not all(type(each) is int for each in values):
        return place.parameter(value, _OF_OTHERS, CHOICE, values=words)
    return place.parameter(value, _OF_WHOLE, CHOICE, values=words, low=str(values[0]), high=str(values[-1]))


def _around(*known: int) -> list[int]:
    return sorted({max(1, known[-1] // 2), *known, 2 * known[-1]})


def _word(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)
