"""Places for the boxes of a diagram: a column for each rank, and no line through a box.

A line that passes over columns keeps a place of its own in each (Sugiyama, Tagawa and Toda, 1981), so that it goes between boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from webapp.registry.drawing.diagram import Box, Diagram, Line

CHARACTER: Final = 6.7
"""Width of a character of a line's text, of the widest fonts that pages fall back to."""

LINE_HEIGHT: Final = 18
TITLE_HEIGHT: Final = 27
_PADDING: Final = 11
_BETWEEN_COLUMNS: Final = 32
_BETWEEN_BOXES: Final = 20
FITS: Final = 900
SHRINKS: Final = 1150
_MARGIN: Final = 10
_LEAST_WIDTH: Final = 112
_SWEEPS: Final = 4


@dataclass(frozen=True, slots=True)
class PlacedLine:
    line: Line
    y: float
    bar_width: float


@dataclass(frozen=True, slots=True)
class PlacedBox:
    """`x`, `y` of the upper left corner; pixels, y downwards."""

    box: Box
    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        return self.x + _PADDING

    @property
    def right(self) -> float:
        return self.x + self.width - _PADDING

    @property
    def title_y(self) -> float:
        return self.y + 18

    @property
    def lines(self) -> list[PlacedLine]:
        inner = self.width - 2 * _PADDING
        top = self.y + TITLE_HEIGHT + 13
        return [
            PlacedLine(line, top + place * LINE_HEIGHT, (line.share or 0.0) * inner)
            for place, line in enumerate(self.box.lines)
        ]


@dataclass(frozen=True, slots=True)
class Layout:
    """All boxes, the lines between them as SVG paths, and the size of the whole."""

    boxes: list[PlacedBox]
    paths: list[str]
    width: float
    height: float

    @property
    def may_shrink(self) -> bool:
        """Whether it is a little wider than a page, so that it is still readable when it is made to fit."""
        return FITS < self.width <= SHRINKS


@dataclass(slots=True)
class _Place:
    """A box, or the passage of a line through a column."""

    key: str
    height: float
    before: list[_Place]
    y: float = 0.0

    @property
    def centre(self) -> float:
        return self.y + self.height / 2


def lay_out(diagram: Diagram) -> Layout:
    ranks = diagram.ranks()
    columns: list[list[_Place]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
    places: dict[str, _Place] = {}
    ways: list[list[_Place]] = []
    for box in diagram.boxes.values():
        place = places[box.key] = _Place(box.key, height_of(box), [])
        for source in box.after:
            way = _way(columns, places[source], place, ranks[source], ranks[box.key])
            ways.append(way)
        columns[ranks[box.key]].append(place)
    for column in columns:
        _stack(column)
    for _ in range(_SWEEPS):
        for column in columns[1:]:
            _order_and_place(column)
    top = min(place.y for column in columns for place in column) - _MARGIN
    widths = [max((width_of(diagram.boxes[each.key]) for each in column if each.key), default=0) for column in columns]
    lefts = [_MARGIN + sum(widths[:rank]) + rank * _BETWEEN_COLUMNS for rank in range(len(columns))]
    for column in columns:
        for place in column:
            place.y -= top
    boxes = [
        PlacedBox(diagram.boxes[each.key], lefts[rank], each.y, widths[rank], each.height)
        for rank, column in enumerate(columns)
        for each in column
        if each.key
    ]
    first_rank = {id(place): rank for rank, column in enumerate(columns) for place in column}
    paths = [_path(way, first_rank[id(way[0])], lefts, widths) for way in ways]
    height = max(place.y + place.height for column in columns for place in column) + _MARGIN
    return Layout(boxes, paths, lefts[-1] + widths[-1] + _MARGIN, height)


def width_of(box: Box) -> float:
    longest = max([len(line.left) + len(line.right) + (2 if line.right else 0) for line in box.lines], default=0)
    return max(_LEAST_WIDTH, 2 * _PADDING + CHARACTER * max(longest, 1.22 * len(box.title)))


def height_of(box: Box) -> float:
    return TITLE_HEIGHT + LINE_HEIGHT * len(box.lines) + (8 if box.lines else 4)


def _way(columns: list[list[_Place]], source: _Place, target: _Place, first: int, last: int) -> list[_Place]:
    """From box to box, through a passage in each column between them."""
    way = [source]
    for rank in range(first + 1, last):
        passage = _Place("", 4, [way[-1]])
        columns[rank].append(passage)
        way.append(passage)
    target.before.append(way[-1])
    return [*way, target]


def _stack(column: list[_Place]) -> None:
    """In the order in which they were added, around the middle line."""
    top = -(sum(place.height for place in column) + _BETWEEN_BOXES * (len(column) - 1)) / 2
    for place in column:
        place.y = top
        top += place.height + _BETWEEN_BOXES


def _order_and_place(column: list[_Place]) -> None:
    """Each as near the height of what it comes from as the others let it, in that order."""
    wanted = {id(place): _wanted(place) for place in column}
    column.sort(key=lambda place: wanted[id(place)])
    bottom = float("-inf")
    for place in column:
        place.y = max(wanted[id(place)] - place.height / 2, bottom)
        bottom = place.y + place.height + _BETWEEN_BOXES
    off = sum(place.centre - wanted[id(place)] for place in column) / max(1, len(column))
    for place in column:
        place.y -= off


def _wanted(place: _Place) -> float:
    if not place.before:
        return place.centre
    return sum(each.centre for each in place.before) / len(place.before)


def _path(way: list[_Place], rank: int, lefts: list[float], widths: list[float]) -> str:
    x, y = lefts[rank] + widths[rank], way[0].centre
    path = f"M{x:.0f} {y:.0f}"
    for place in way[1:]:
        rank += 1
        left = lefts[rank]
        half = (left - x) / 2
        path += f"C{x + half:.0f} {y:.0f} {left - half:.0f} {place.centre:.0f} {left:.0f} {place.centre:.0f}"
        x, y = left, place.centre
        if not place.key:
            x = left + widths[rank]
            path += f"H{x:.0f}"
    return path
