"""What a picture repeats for each moment, as markup: written here, since a template takes ten times as long for a thousand cells."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Protocol

from django.utils.safestring import SafeString, mark_safe

from webapp.core.pictures.picture import Table


class Drawn(Protocol):
    """A rectangle: `x` and `width` in per cent of the plot, `y` and `height` in px; `number` chooses its colour."""

    @property
    def x(self) -> float: ...
    @property
    def y(self) -> float: ...
    @property
    def width(self) -> float: ...
    @property
    def height(self) -> float: ...
    @property
    def number(self) -> int: ...


def column_markup(*, x: float, width: float, top: float, bottom: float, words: str, rects: Iterable[Drawn] = ()) -> str:
    """One moment from the top of the plot to its bottom: what it says when pointed at, and what stands there."""
    hit = f'<rect class="hit" x="{x}%" y="{top}" width="{width}%" height="{bottom}"/>'
    stacked = "".join(
        f'<rect class="s{one.number}" x="{one.x}%" y="{one.y}" width="{one.width}%" height="{one.height}"/>'
        for one in rects
    )
    return f'<g class="column"><title>{escape(words)}</title>{hit}{stacked}</g>'


def rows_markup(table: Table) -> SafeString:
    """The rows of its body; the first cell of each heads it."""
    return safe("".join(_row(row) for row in table.rows))


def safe(markup: str) -> SafeString:
    """Of markup in which every text was escaped and all else is numbers."""
    return mark_safe(markup)  # noqa: S308


def _row(cells: list[str]) -> str:
    head, *rest = cells
    written = "".join(f'<td class="num">{escape(cell)}</td>' for cell in rest)
    return f'<tr><th scope="row" class="nowrap">{escape(head)}</th>{written}</tr>'
