"""A directed graph of boxes: what is drawn, before anything has a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

BoxKind = Literal["input", "join", "interaction", "network", "output", "score"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a box: what, at the left, and how much, at the right. `share`, 0 to 1, is drawn as a bar: how wide a layer is."""

    left: str
    right: str = ""
    share: float | None = None

    @property
    def words(self) -> str:
        return f"{self.left} {self.right}".strip()


@dataclass(frozen=True, slots=True)
class Box:
    key: str
    title: str
    kind: BoxKind
    lines: tuple[Line, ...]
    after: tuple[str, ...]


@dataclass(slots=True)
class Diagram:
    """Boxes in the order in which they were added; each comes after those that it takes its input from."""

    boxes: dict[str, Box] = field(default_factory=dict)

    def add(self, key: str, title: str, kind: BoxKind, lines: Sequence[Line] = (), after: Sequence[str] = ()) -> str:
        """Answers the key. Raises KeyError for an input that is not there yet."""
        for each in after:
            self.boxes[each]
        self.boxes[key] = Box(key, title, kind, tuple(lines), tuple(after))
        return key

    def ranks(self) -> dict[str, int]:
        """How many boxes lie before each on its longest way from an input."""
        found: dict[str, int] = {}
        for box in self.boxes.values():
            found[box.key] = 1 + max((found[each] for each in box.after), default=-1)
        return found

    def in_words(self) -> list[str]:
        """Every box as a sentence, inputs first."""
        sentences = []
        for box in self.boxes.values():
            said = box.title
            if box.after:
                said += " takes " + _listed([self.boxes[each].title for each in box.after])
            if box.lines:
                said += ": " + "; ".join(line.words for line in box.lines)
            sentences.append(said + ".")
        return sentences


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
