"""The left edge of every picture: slots with their dims, grouped so that hundreds fit, and numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from engine.spec.definition import DenseInput, ModelDefinition, Side, Slot
from engine.spec.schema import PropertyType
from engine.spec.slot import Pooling
from engine.spec.source_types import SourceType
from webapp.registry.drawing.diagram import Diagram, Line

MOST_LINES: Final = 8
_LONGEST_NAME: Final = 20
_TITLES: Final = {Side.USER: "User", Side.ITEM: "Item", Side.PAIR: "User with item"}

Types = Mapping[str, SourceType]


class Inputs:
    """Adds the boxes of a definition's inputs. `types` by source say which slots have lists of values; without them only the obvious."""

    def __init__(self, diagram: Diagram, definition: ModelDefinition, types: Types | None = None) -> None:
        self.diagram = diagram
        self.definition = definition
        self._types = types or {}

    def slots(self, key: str, title: str, slots: Sequence[Slot]) -> list[str]:
        """A box for these slots, none for none of them; the most that fit, and how many more there are."""
        if not slots:
            return []
        shown = slots if len(slots) <= MOST_LINES else slots[: MOST_LINES - 1]
        lines = [Line(_short(slot.name), self._becomes(slot)) for slot in shown]
        rest = slots[len(shown) :]
        if rest:
            lines.append(Line(f"and {len(rest)} more", _dims(rest)))
        return [self.diagram.add(key, title, "input", lines)]

    def numbers(self, key: str, title: str, dense: Sequence[DenseInput]) -> list[str]:
        if not dense:
            return []
        shown = dense if len(dense) <= MOST_LINES else dense[: MOST_LINES - 1]
        lines = [Line(_short(each.name), _numbers(each)) for each in shown]
        rest = dense[len(shown) :]
        if rest:
            lines.append(Line(f"and {len(rest)} more", f"{sum(each.dim for each in rest)}"))
        return [self.diagram.add(key, title, "input", lines)]

    def of_side(self, side: Side, without: Collection[str] = ()) -> list[str]:
        """The slots and numbers of one side, but those named."""
        title = _TITLES[side]
        slots = [slot for slot in self.definition.slots_of(side) if slot.name not in without]
        return [
            *self.slots(f"{side.value}_slots", f"{title} slots", slots),
            *self.numbers(f"{side.value}_numbers", f"{title} numbers", self.definition.dense_of(side)),
        ]

    def all_slots(self, without: Collection[str] = ()) -> list[str]:
        """The slots of every side, but those named."""
        made: list[str] = []
        for side in Side:
            slots = [slot for slot in self.definition.slots_of(side) if slot.name not in without]
            made += self.slots(f"{side.value}_slots", f"{_TITLES[side]} slots", slots)
        return made

    def all_numbers(self) -> list[str]:
        return self.numbers("numbers", "Numbers", self.definition.dense)

    def _becomes(self, slot: Slot) -> str:
        """What a row has of the slot: its dim, how a list is pooled into it, or a sequence's length beside it."""
        if slot.pooling is Pooling.SEQUENCE:
            return f"{slot.max_values} × {slot.dim}"
        if self._is_list(slot):
            return f"{slot.pooling.value} of {slot.max_values} · {slot.dim}"
        return str(slot.dim)

    def _is_list(self, slot: Slot) -> bool:
        found = self._types.get(slot.source)
        if found is not None:
            return found.type is PropertyType.STRING_LIST
        return slot.source.startswith("user.history")


def _numbers(dense: DenseInput) -> str:
    transform = "" if dense.transform.value == "identity" else dense.transform.value.replace("_", " ")
    return f"{transform} · {dense.dim}" if transform else str(dense.dim)


def _dims(slots: Sequence[Slot]) -> str:
    dims = sorted({slot.dim for slot in slots})
    return f"dim {dims[0]}" if len(dims) == 1 else f"dims {dims[0]} to {dims[-1]}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
