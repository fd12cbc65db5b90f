"""A split of traffic drawn as one bar of a hundred per cent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webapp.core.pictures.picture import colour
from webapp.experiments.choosing import NUM_PARTS
from webapp.experiments.models import Arm


@dataclass(frozen=True)
class Piece:
    """`x` and `width` in per cent; `number` chooses the colour."""

    name: str
    share: int
    x: float
    width: float
    number: int


def split_pieces(arms: Iterable[Arm]) -> list[Piece]:
    """The arms that answer, in their order; shadows take no traffic."""
    pieces: list[Piece] = []
    x = 0.0
    for arm in arms:
        if arm.kind == Arm.Kind.SHADOW:
            continue
        width = 100 * arm.share / NUM_PARTS
        pieces.append(Piece(arm.name, arm.share, round(x, 2), round(width, 2), colour(len(pieces))))
        x += width
    return pieces
