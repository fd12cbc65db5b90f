"""What a definition is and will take, for the pages that show one: its picture and its estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.errors import InvalidDocument, LogError
from engine.spec.definition import ModelDefinition
from engine.spec.source_types import source_types
from webapp.accounts.models import Project
from webapp.registry import selectors
from webapp.registry.drawing.picture import Picture, picture_of
from webapp.registry.sizing.counted import counted_rows
from webapp.registry.sizing.estimate import Estimate, SlotEstimate, estimate_of
from webapp.registry.sizing.sample import data_sample

BAR_WIDTH: Final = 1000


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A slot's line in the table of the estimate; `share`, 0 to 1, of the largest slot's memory."""

    slot: SlotEstimate
    share: float


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the bar: a slot, or all the small ones; `x` and `width` of `BAR_WIDTH`."""

    title: str
    num_bytes: float
    x: float
    width: float
    place: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of a definition that is valid. `estimate` is None while the event log does not answer."""

    picture: Picture
    estimate: Estimate | None
    rows: tuple[SlotRow, ...] = ()
    parts: tuple[Part, ...] = ()
    budget_x: float | None = None


def outlook_of(*, project: Project, document: Any) -> Outlook | None:
    """None for what is no definition."""
    try:
        definition = ModelDefinition.parse(document)
    except InvalidDocument:
        return None
    types = source_types(selectors.schema_document(project=project), definition.features)
    picture = picture_of(definition, types)
    try:
        sample = data_sample(project=project)
    except LogError:
        return Outlook(picture, None)
    estimate = estimate_of(definition, sample, counted_rows(project=project, definition=definition))
    largest = max((slot.num_bytes or 0.0 for slot in estimate.slots), default=0.0) or 1.0
    slots = sorted(estimate.slots, key=lambda slot: -(slot.num_bytes or 0.0))
    rows = tuple(SlotRow(slot, (slot.num_bytes or 0.0) / largest) for slot in slots)
    whole = max(estimate.trainer_bytes, estimate.budget_bytes or 0.0)
    budget_x = None if estimate.budget_bytes is None else BAR_WIDTH * estimate.budget_bytes / whole
    return Outlook(picture, estimate, rows, _parts(estimate, slots, whole), budget_x)


_PARTS_SHOWN: Final = 6


def _parts(estimate: Estimate, slots: list[SlotEstimate], whole: float) -> tuple[Part, ...]:
    sizes = [(slot.name, slot.num_bytes or 0.0) for slot in slots]
    shown, rest = sizes[:_PARTS_SHOWN], sizes[_PARTS_SHOWN:]
    if rest:
        shown.append((f"{len(rest)} more slots", sum(size for _, size in rest)))
    fixed = estimate.table_bytes - sum(size for _, size in sizes)
    shown += [("ids that wait for admission", estimate.candidate_bytes), ("empty tables", fixed)]
    parts, x = [], 0.0
    for place, (title, size) in enumerate(each for each in shown if each[1] > 0):
        width = BAR_WIDTH * size / whole
        parts.append(Part(title, size, x, width, place % 8))
        x += width
    return tuple(parts)
