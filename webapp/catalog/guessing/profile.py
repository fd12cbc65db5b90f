"""What the values of one column are like, and the property type that fits them, with the reason in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from engine.spec.schema import MAX_VECTOR_DIM, PropertyType
from engine.spec.validation import EARLIEST_EVENT_MS
from webapp.catalog.importing.mapping import TimeUnit
from webapp.catalog.importing.times import to_ms

NUM_EXAMPLES: Final = 3
MAX_EXAMPLE_CHARACTERS: Final = 40
LATEST_MS: Final = 4_102_444_800_000  # the year 2100
_BOOLEAN_TEXTS: Final = frozenset(("true", "false"))
_SEPARATOR: Final = "|"
_NUM_TRIED: Final = 500
MOSTLY: Final = 0.9


@dataclass(frozen=True, slots=True)
class Typed:
    """A property type, and why. `dim` is of a vector; `unit` is of a time."""

    type: PropertyType
    because: str
    dim: int | None = None
    unit: TimeUnit | None = None


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """One column of a sample. `values` are the most frequent ones as texts, with how often each is there."""

    name: str
    num: int
    num_null: int
    num_distinct: int
    examples: tuple[str, ...]
    values: tuple[tuple[str, int], ...]
    longest: int
    typed: Typed
    is_object: bool = False

    @property
    def num_given(self) -> int:
        return self.num - self.num_null

    @property
    def share_null(self) -> float:
        return self.num_null / self.num if self.num else 0.0

    @property
    def share_distinct(self) -> float:
        return self.num_distinct / self.num_given if self.num_given else 0.0


def profile_of(name: str, cells: Sequence[Any]) -> ColumnProfile:
    given = [cell for cell in cells if cell is not None and cell != ""]
    texts = Counter(map(_text, given))
    return ColumnProfile(
        name=name,
        num=len(cells),
        num_null=len(cells) - len(given),
        num_distinct=len(texts),
        examples=tuple(text[:MAX_EXAMPLE_CHARACTERS] for text in list(texts)[:NUM_EXAMPLES]),
        values=tuple(texts.most_common(60)),
        longest=max((len(text) for text in texts), default=0),
        typed=_typed(given),
        is_object=any(isinstance(cell, dict) for cell in given[:_NUM_TRIED]),
    )


def time_unit_of(cells: Sequence[Any]) -> TimeUnit | None:
    """The unit in which nearly all of the values are times between 2000 and 2100; None where there is none."""
    tried = [cell for cell in cells if cell is not None and cell != ""][:_NUM_TRIED]
    if not tried:
        return None
    for unit in (TimeUnit.ISO, TimeUnit.MS, TimeUnit.S, TimeUnit.US, TimeUnit.TEXT_UTC):
        times = [to_ms(cell, unit) for cell in tried]
        num_good = sum(time is not None and EARLIEST_EVENT_MS <= time < LATEST_MS for time in times)
        if num_good >= 0.98 * len(tried):
            return unit
    return None


def _typed(given: list[Any]) -> Typed:
    if not given:
        return Typed(PropertyType.STRING, "every value is empty, so nothing says what it is")
    tried = given[:_NUM_TRIED]
    for is_one, guess in _KINDS:
        if all(map(is_one, tried)):
            return guess(tried)
    num_numbers = sum(_is_number(cell, float) for cell in tried)
    if num_numbers >= MOSTLY * len(tried):
        share = f"{100 * num_numbers / len(tried):.0f} %"
        return Typed(PropertyType.FLOAT, f"{share} of the values are numbers; rows with another would be rejected")
    unit = time_unit_of(tried)
    if unit is not None:
        return Typed(PropertyType.TIMESTAMP, f"the texts are dates with times, as {str(tried[0])[:32]}", unit=unit)
    return _of_texts(tried)


def _of_integers(tried: list[Any]) -> Typed:
    unit = time_unit_of(tried)
    if unit in (TimeUnit.MS, TimeUnit.S, TimeUnit.US):
        words = {TimeUnit.MS: "milliseconds", TimeUnit.S: "seconds", TimeUnit.US: "microseconds"}[unit]
        because = f"the whole numbers are of the size of {words} since 1970"
        return Typed(PropertyType.TIMESTAMP, because, unit=unit)
    return Typed(PropertyType.INTEGER, "every value is a whole number")


def _of_texts(tried: list[Any]) -> Typed:
    split = [str(cell).split(_SEPARATOR) for cell in tried]
    if sum(len(parts) > 1 for parts in split) >= 0.2 * len(tried):
        widths = {len(parts) for parts in split}
        if len(widths) == 1 and (dim := widths.pop()) >= 4 and all(_is_number(p, float) for row in split for p in row):
            return Typed(PropertyType.VECTOR, f"every text is {dim} numbers with | between", dim=dim)
        return Typed(PropertyType.STRING_LIST, "many texts have | between parts")
    return Typed(PropertyType.STRING, "the values are texts")


def _of_lists(tried: list[Any]) -> Typed:
    widths = {len(cell) for cell in tried}
    numbers = all(isinstance(part, int | float) and not isinstance(part, bool) for cell in tried for part in cell)
    if numbers and len(widths) == 1 and 1 <= (dim := widths.pop()) <= MAX_VECTOR_DIM:
        return Typed(PropertyType.VECTOR, f"every value is a list of {dim} numbers", dim=dim)
    return Typed(PropertyType.STRING_LIST, "the values are lists")


def _is_number(cell: Any, kind: type[int] | type[float]) -> bool:
    if isinstance(cell, bool):
        return False
    if isinstance(cell, float):
        return math.isfinite(cell) and kind is float
    if isinstance(cell, int):
        return True
    try:
        # Python reads 1_000 and ٣ as numbers too; a file's number is plain.
        return isinstance(cell, str) and cell.isascii() and "_" not in cell and math.isfinite(kind(cell))
    except (ValueError, OverflowError):
        return False


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else str(cell)


_KINDS: Final[tuple[tuple[Callable[[Any], bool], Callable[[list[Any]], Typed]], ...]] = (
    (
        lambda cell: isinstance(cell, bool) or str(cell).lower() in _BOOLEAN_TEXTS,
        lambda _: Typed(PropertyType.BOOLEAN, "every value is true or false"),
    ),
    (
        lambda cell: isinstance(cell, datetime | date),
        lambda tried: Typed(PropertyType.TIMESTAMP, "the file says that it is a time", unit=time_unit_of(tried)),
    ),
    (lambda cell: isinstance(cell, list | tuple), _of_lists),
    (lambda cell: _is_number(cell, int), _of_integers),
    (
        lambda cell: _is_number(cell, float),
        lambda _: Typed(PropertyType.FLOAT, "every value is a number, some with decimals"),
    ),
)
