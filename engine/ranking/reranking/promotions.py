"""Items put into places of the answer by rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.ranking.reranking.caps import OpenPlaces
from engine.ranking.reranking.pool import Mask, Scores
from engine.ranking.reranking.trace import Trace
from engine.spec.deployment import Promotion


class Promoted(NamedTuple):
    """The candidate at `place` of the pool comes to `slot` of the answer (from 1), by the promotion of this name."""

    slot: int
    place: int
    name: str


def promoted_items(
    promotions: Sequence[Promotion],
    masks: Sequence[Mask],
    scores: Scores,
    *,
    k: int,
    open_places: OpenPlaces,
    trace: Trace | None = None,
) -> list[Promoted]:
    """By slot. Of each promotion the best of its mask bool[n] by `scores` float32[n], the best in its first slot.

    A slot that two ask for is the earlier promotion's, and so is an item that two are for. Slots beyond `k` are passed over, and so is
    an item that a cap shuts out.
    """
    by_slot: dict[int, Promoted] = {}
    for promotion, mask in zip(promotions, masks, strict=True):
        slots = [slot for slot in sorted(promotion.slots) if slot <= k and slot not in by_slot]
        places = np.flatnonzero(mask)
        for place in places[np.argsort(-scores[places], kind="stable")].tolist():
            if not slots:
                break
            if not open_places.mask[place]:
                continue
            slot = slots.pop(0)
            by_slot[slot] = Promoted(slot, place, promotion.name)
            open_places.choose(place)
            if trace is not None:
                trace.note("promotions", place, f"{promotion.name} puts it into place {slot}")
    return [by_slot[slot] for slot in sorted(by_slot)]
