"""What all pictures have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Tick:
    """`at` is in px from the top on an axis that stands, in per cent from the left on one that lies."""

    at: float
    text: str


@dataclass(frozen=True)
class Table:
    """The same numbers in words, for those who want or need them."""

    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Name:
    """An entry of the legend; `number` chooses the colour (class `s<number>`)."""

    number: int
    text: str
    last: str = ""


@dataclass(frozen=True)
class Picture:
    """`title` says what is shown, `summary` what is seen, `unit` what the numbers are in."""

    template: ClassVar[str]
    title: str
    summary: str
    unit: str


NUM_COLOURS = 6


def colour(number: int) -> int:
    """1..6, around again."""
    return number % NUM_COLOURS + 1


def upward(value: float, *, top: float, bottom: float, low: float, high: float) -> float:
    """Where `value` lies in px from the top, on an axis from `low` at px `bottom` up to `high` at px `top`."""
    return round(bottom - (value - low) / (high - low) * (bottom - top), 2)
