"""What a trainer forgets when it comes to an erasure among the examples: rows of its tables, and what else is kept by id.

A row is found by its FID, which is a function of the slot and the id. So every slot whose values are ids of users, or of items, loses the
row of this one; the deletes travel to the replicas with the next delta. What cannot be found by the id alone is said in
`num_crosses`: slots of crosses with the id, whose rows go when their time to live is over. Dense weights, and rows of what many share
(a country, a category), were learned from everybody and stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from engine.embedding.hashing import hash_ids
from engine.spec.definition import ModelDefinition, Slot
from engine.spec.erasure import Erased, Erasure, Kind, noted
from engine.spec.feature import Cross
from engine.spec.slot import AdmitMinCount

if TYPE_CHECKING:
    from engine.training.state import TrainingState

_SOURCES: Final[dict[Kind, tuple[str, ...]]] = {"user": ("user.id",), "item": ("item.id", "user.history")}
"""Where ids of users and of items come from."""


def erase(state: TrainingState, erasures: Iterable[tuple[int, int, Erasure]]) -> list[Erased]:
    """Forget what the orders, each after its partition and offset, name; answers what went, and notes it in the state's progress."""
    done = [Erased(erasure, partition, _forget(state, erasure)) for partition, _, erasure in erasures]
    state.progress.erased = noted(state.progress.erased, done)
    return done


def slots_of_ids(definition: ModelDefinition, kind: Kind) -> list[Slot]:
    """The slots whose values are ids of users or of items."""
    return [slot for slot in definition.slots if slot.source in _SOURCES[kind]]


def crosses_with_ids(definition: ModelDefinition, kind: Kind) -> list[Slot]:
    """The slots whose values are made of such an id and something else: which rows are of one id cannot be told."""
    made = {
        f"feature.{feature.name}"
        for feature in definition.features
        if isinstance(feature, Cross) and set(feature.inputs) & set(_SOURCES[kind])
    }
    return [slot for slot in definition.slots if slot.source in made]


def _forget(state: TrainingState, erasure: Erasure) -> dict[str, int]:
    definition, kind = state.definition, erasure.kind
    counts = {
        "num_slots": len(slots_of_ids(definition, kind)),
        "rows": _forget_rows(state, erasure),
        "num_crosses": len(crosses_with_ids(definition, kind)),
    }
    if kind == "user":
        return counts | {"acted_together": int(state.item_to_item.forget_context(erasure.id))}
    row = state.catalogue.forget(erasure.id)
    if row is not None:
        state.frequency.forget([row])
    known = state.item_to_item.row_of(erasure.id) >= 0
    state.item_to_item.forget(erasure.id)
    return counts | {"item_catalogue": int(row is not None), "acted_together": int(known)}


def _forget_rows(state: TrainingState, erasure: Erasure) -> int:
    """How many rows went. A FID that waits to be admitted gets a row first: only then is its count of sightings forgotten."""
    definition, num_rows = state.definition, 0
    fids_met: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = []
    done: set[int] = set()
    for slot in slots_of_ids(definition, erasure.kind):
        number = definition.number_of(slot)
        if number in done:
            continue
        done.add(number)
        fids = hash_ids(pa.array([erasure.id], pa.string()), number)
        table = state.store.table_of(slot)
        num_rows += int(table.contains(fids).sum())
        if any(isinstance(each.admission, AdmitMinCount) for each in definition.slots):
            table.assign(fids, np.full(1, number, np.uint16), np.zeros((1, table.dim), np.float32))
        table.erase(fids)
        fids_met.append(fids)
    if fids_met:
        state.hot_ids.forget(np.concatenate(fids_met))
    return num_rows
