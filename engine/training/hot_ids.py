"""Which ids each slot meets most often of late, in bounded memory, by their names where these can be told."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.embedding.hashing import hash_ids
from engine.features.encoded import SlotValues
from engine.spec.definition import ModelDefinition, Slot
from engine.spec.example import Example

SAMPLED_EXAMPLES: Final = 64
"""Of each batch the first so many examples are counted: the cost of a batch stays the same however large it is."""

KEPT_IDS: Final = 256
"""For each slot; what falls out starts anew at 0, so that the count of a rare id may be too low, and never too high."""

SHOWN_IDS: Final = 10
HALF_LIFE_EXAMPLES: Final = 50_000.0
_MERGE_VALUES: Final = 32_768
_NAMED_BATCHES: Final = 32
_INT64_RANGE: Final = range(-(2**63), 2**63)

Fids = npt.NDArray[np.uint64]


class HotIds:
    """Decayed counts of the FIDs of each slot, and names for the first of them. Not part of a checkpoint: it begins anew."""

    def __init__(self, definition: ModelDefinition) -> None:
        self._slots = definition.slots
        self._numbers = [definition.number_of(slot) for slot in definition.slots]
        self._place = {slot.name: place for place, slot in enumerate(definition.slots)}
        self._slot = np.empty(0, np.uint16)
        self._fid = np.empty(0, np.uint64)
        self._count = np.empty(0, np.float64)
        self._total = 0.0
        self._new: list[tuple[int, Fids]] = []
        self._num_new_values = 0
        self._num_new_examples = 0
        self._recent: deque[Sequence[Example]] = deque(maxlen=_NAMED_BATCHES)
        self._names: dict[tuple[int, int], str] = {}

    def note(self, examples: Sequence[Example], slots: Iterable[tuple[str, SlotValues]]) -> None:
        """A batch of examples, of which the first `SAMPLED_EXAMPLES` will do, and its slots' values, whose first rows are theirs."""
        num = min(SAMPLED_EXAMPLES, len(examples))
        for name, values in slots:
            fids = values.fids[: values.offsets[num]]
            self._new.append((self._place[name], fids))
            self._num_new_values += fids.size
        self._num_new_examples += num
        self._recent.append(examples[:num])
        if self._num_new_values >= _MERGE_VALUES:
            self._merge()

    def hottest(self) -> dict[str, list[dict[str, Any]]]:
        """By slot name its `SHOWN_IDS` most frequent ids: `fid` in hexadecimal, `id` (None where no recent example says it), and
        `per_example`, how often it stands in an example on average."""
        self._merge()
        answer: dict[str, list[dict[str, Any]]] = {}
        for place, slot in enumerate(self._slots):
            chosen = np.flatnonzero(self._slot == place)[:SHOWN_IDS]
            fids = self._fid[chosen]
            self._find_names(place, slot, fids)
            answer[slot.name] = [
                {"fid": f"{fid:016x}", "id": self._names.get((place, fid)), "per_example": count / self._total}
                for fid, count in zip(fids.tolist(), self._count[chosen].tolist(), strict=True)
            ]
        self._forget_names()
        return answer

    def forget(self, fids: Fids) -> None:
        """These FIDs have not been met, and nobody remembers what they are called."""
        self._merge()
        stays = ~np.isin(self._fid, fids)
        self._slot, self._fid, self._count = self._slot[stays], self._fid[stays], self._count[stays]
        self._recent.clear()
        self._forget_names()

    def _merge(self) -> None:
        """Add what is new. Rows are kept by slot, the most frequent first."""
        if not self._num_new_examples:
            return
        decay = 2.0 ** (-self._num_new_examples / HALF_LIFE_EXAMPLES)
        self._total = self._total * decay + self._num_new_examples
        slot = np.concatenate([self._slot, *(np.full(fids.size, place, np.uint16) for place, fids in self._new)])
        fid = np.concatenate([self._fid, *(fids for _, fids in self._new)])
        count = np.concatenate([self._count * decay, np.ones(self._num_new_values)])
        self._new, self._num_new_values, self._num_new_examples = [], 0, 0
        order = np.lexsort((fid, slot))
        slot, fid, count = slot[order], fid[order], count[order]
        first = np.flatnonzero(np.r_[True, (slot[1:] != slot[:-1]) | (fid[1:] != fid[:-1])]) if fid.size else order
        slot, fid, count = slot[first], fid[first], np.add.reduceat(count, first) if fid.size else count
        order = np.lexsort((fid, -count, slot))
        slot, fid, count = slot[order], fid[order], count[order]
        begins = np.searchsorted(slot, slot)
        kept = np.arange(slot.size) - begins < KEPT_IDS
        self._slot, self._fid, self._count = slot[kept], fid[kept], count[kept]

    def _find_names(self, place: int, slot: Slot, fids: Fids) -> None:
        missing = [fid for fid in fids.tolist() if (place, fid) not in self._names]
        if not missing:
            return
        met = list(
            dict.fromkeys(value for batch in self._recent for each in batch for value in _values(each, slot.source))
        )
        for kind in (str, int):
            values = [value for value in met if type(value) is kind]
            arrow = pa.array(values, pa.string() if kind is str else pa.int64())
            for fid, value in zip(hash_ids(arrow, self._numbers[place]).tolist(), values, strict=True):
                if fid in missing:
                    self._names[place, fid] = str(value)

    def _forget_names(self) -> None:
        kept = set(zip(self._slot.tolist(), self._fid.tolist(), strict=True))
        self._names = {key: name for key, name in self._names.items() if key in kept}


def _values(example: Example, source: str) -> list[str | int]:
    """The ids that an example brings to a slot of this source, as they are hashed; none for a derived feature."""
    entity, _, name = source.partition(".")
    raw: Any
    if source == "user.id":
        raw = example.user_id
    elif source == "item.id":
        raw = example.item_id
    elif source == "user.history":
        raw = list(example.history)
    else:
        raw = {"user": example.user, "item": example.item, "event": example.event}.get(entity, {}).get(name)
    values = raw if isinstance(raw, list) else [raw]
    usable = (int(value) if isinstance(value, bool) else value for value in values)
    return [value for value in usable if isinstance(value, str) or (isinstance(value, int) and value in _INT64_RANGE)]
