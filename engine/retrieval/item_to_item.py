"""What is acted on together: for every item its neighbours by decayed co-occurrence, learned from the stream as it goes by.

A pair of items counts when one user (or session) acts on both within `max_gap_s`; every count halves with each half-life of event time.
An item's neighbours are ranked by the asymmetric cosine (Aiolli, Efficient Top-N Recommendation for Very Large Scale Binary Rated
Datasets, RecSys 2013), shrunk: c_ab / ((n_a + s)^(1 - p) · (n_b + s)^p). With p = 0 that is the share of a's users who took b, in which
popular items win everything; with p = 1/2 the cosine; with p = 1 the share of b's users who took a. The shrinkage s keeps items that
were seen twice from leading because it was twice with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from engine.embedding.neighbour_scores import NeighbourRule, Neighbours, best_neighbours
from engine.retrieval.context_windows import ContextWindows
from engine.retrieval.forward_decay import ForwardDecay, TimeArray, WeightArray
from engine.retrieval.neighbour_table import Cells, NeighbourTable, RowArray
from engine.retrieval.ragged import lengths_of, to_lists, write_lists
from engine.spec.candidates import CoOccurrence


@dataclass(frozen=True, slots=True)
class ItemToItemSettings:
    """How co-occurrence is counted and ranked. Memory: at most 24 bytes for each neighbour of each of `max_items`, and 16 for each item
    in the window of each of `max_contexts`."""

    half_life_s: float = 24 * 3600.0
    window_items: int = 10
    max_gap_s: float = 6 * 3600.0
    num_neighbours: int = 50
    max_items: int = 100_000
    max_contexts: int = 200_000
    popularity_power: float = 0.5
    shrinkage: float = 5.0
    max_sources: int = 20
    source_decay: float = 0.8
    """Of a history the last `max_sources` items count: the last weighs 1, the one before it `source_decay`, the next its square, …"""

    @classmethod
    def of(cls, document: CoOccurrence) -> ItemToItemSettings:
        """What a schema declares; how many items and contexts there is room for it does not say."""
        return cls(**document.model_dump())

    def __post_init__(self) -> None:
        wrong = {
            "max_items": self.max_items < 2,
            "popularity_power": not 0 <= self.popularity_power <= 1,
            "shrinkage": self.shrinkage < 0,
            "max_sources": self.max_sources < 1,
            "source_decay": not 0 < self.source_decay <= 1,
        }
        for name in (name for name, is_wrong in wrong.items() if is_wrong):
            raise ValueError(f"{name}={getattr(self, name)}")


_FIELDS: Final[list[pa.Field[Any]]] = [
    pa.field("item_id", pa.string()),
    pa.field("count", pa.float32()),
    pa.field("floor", pa.float32()),
    pa.field("targets", pa.list_(pa.int32())),
    pa.field("weights", pa.list_(pa.float32())),
    pa.field("errors", pa.list_(pa.float32())),
]
ITEMS_SCHEMA: Final = pa.schema(_FIELDS)
_STATE: Final = b"item_to_item"
_HISTORIES_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class ItemToItemTables:
    """An `ItemToItem` as Arrow tables: `items` as `ITEMS_SCHEMA`, one row for each item and in `targets` the rows of its neighbours, the
    settings and the decay's clock in its metadata; `contexts` as `CONTEXTS_SCHEMA`."""

    items: pa.Table
    contexts: pa.Table


@dataclass(frozen=True, slots=True)
class Found:
    """For each of n histories the items found, best first: `rows[offsets[i]:offsets[i + 1]]` (what `ItemToItem.ids` names) with `scores`.

    offsets int64[n + 1], rows int64[nnz], scores float32[nnz]. Of equal scores the item known for longer comes first.
    """

    offsets: RowArray
    rows: RowArray
    scores: WeightArray


class ItemToItem:
    """Neighbours of up to `max_items` items; when there is one too many, the less frequent half is forgotten. Not thread-safe.

    What it knows is a function of the actions and their order, however they are cut into calls.
    """

    def __init__(self, settings: ItemToItemSettings | None = None) -> None:
        self.settings = settings = settings or ItemToItemSettings()
        self.decay = ForwardDecay(settings.half_life_s)
        self.table = NeighbourTable(settings.num_neighbours)
        self.windows = ContextWindows(settings.window_items, settings.max_gap_s, settings.max_contexts)
        self._row_of: dict[str, int] = {}
        # None where an item was deleted, so that those who have it for a neighbour need not be looked for.
        self._ids: list[str | None] = []
        self._is_alive = np.zeros(0, np.bool_)
        self._counts = np.zeros(0, np.float32)
        self.numbering = 0
        """Changes whenever rows name other items than before."""

    def __len__(self) -> int:
        return len(self._row_of)

    @property
    def num_rows(self) -> int:
        """Every row is below; those of forgotten items are among them until the numbering changes."""
        return len(self._ids)

    def row_of(self, item_id: str) -> int:
        """-1 for an item not known."""
        return self._row_of.get(item_id, -1)

    def ids_from(self, first: int) -> list[str | None]:
        """The items of the rows from `first` on, None where one was forgotten."""
        return self._ids[first:]

    def observe(self, contexts: Sequence[str], item_ids: Sequence[str], times_ms: Sequence[int] | TimeArray) -> None:
        """Actions in the order of the log: context i (a user or a session) acted on item i at `times_ms[i]`; n of each.

        One time far in the future takes the weight from everything before it: give the time of receipt where that is earlier.
        """
        times = np.asarray(times_ms, np.int64)
        if not len(contexts) == len(item_ids) == times.size:
            raise ValueError(f"{len(contexts)} contexts, {len(item_ids)} item_ids, {times.size} times_ms")
        start = 0
        while start < times.size:
            rows = self._rows_until_full(item_ids, start)
            end = start + rows.size
            if end == start:
                self._forget_infrequent()
                continue
            self._count(contexts[start:end], rows, times[start:end])
            start = end

    def _rows_until_full(self, item_ids: Sequence[str], start: int) -> RowArray:
        """The rows of the items from `start` on, made where there are none, up to the first for which there is no room."""
        rows: list[int] = []
        for item_id in item_ids[start:] if start else item_ids:
            row = self._row_of.get(item_id)
            if row is None:
                if len(self._ids) >= self.settings.max_items:
                    break
                row = self._row_of[item_id] = len(self._ids)
                self._ids.append(item_id)
            rows.append(row)
        self._grow()
        return np.array(rows, np.int64)

    def _grow(self) -> None:
        self.table.grow(len(self._ids))
        more = self.table.num_rows - self._counts.size
        if more:
            self._counts = np.concatenate([self._counts, np.zeros(more, np.float32)])
            self._is_alive = np.concatenate([self._is_alive, np.ones(more, np.bool_)])

    def _count(self, contexts: Sequence[str], rows: RowArray, times_ms: TimeArray) -> None:
        factor = self.decay.advance(int(times_ms.max()))
        if factor != 1.0:
            self.table.scale(factor)
            self._counts *= np.float32(factor)
        weights = self.decay.weights(times_ms)
        together = self.windows.observe(contexts, rows, times_ms)
        np.add.at(self._counts, rows[together.is_first], weights[together.is_first])
        both_ways = np.stack([together.earlier, together.later], axis=1)
        self.table.add(both_ways.ravel(), both_ways[:, ::-1].ravel(), np.repeat(weights[together.action], 2))

    def find(self, histories: Sequence[Sequence[str]], num_items: int) -> Found:
        """For each history (item ids, oldest first) the at most `num_items` items that go best with it and are not in it.

        An item's score is the sum of its scores with each of the history's, the newer ones weighing more.
        """
        parts = [
            self._find(histories[start : start + _HISTORIES_AT_ONCE], num_items)
            for start in range(0, max(1, len(histories)), _HISTORIES_AT_ONCE)
        ]
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _find(self, histories: Sequence[Sequence[str]], num_items: int) -> Found:
        members = self._members(histories)
        counted = members[:, 2] < self.settings.max_sources
        users, sources, back = members[counted].T
        used = int(self.table.cells.used[sources].max(initial=0))
        targets = self.table.cells.targets[sources, :used].astype(np.int64)
        owner, column = np.nonzero((targets >= 0) & self._is_alive[targets])
        num_rows = max(1, len(self._ids))
        keys, place = np.unique(users[owner] * num_rows + targets[owner, column], return_inverse=True)
        scores = self._scores(sources[owner], targets[owner, column], self.table.cells.weights[sources[owner], column])
        total = np.bincount(place.ravel(), scores * self.settings.source_decay ** back[owner], keys.size)
        total[np.isin(keys, members[:, 0] * num_rows + members[:, 1])] = 0.0
        keys, best = keys[total > 0], total[total > 0].astype(np.float32)
        order = np.lexsort((keys, -best, keys // num_rows))
        return _first_of_each(keys[order] // num_rows, keys[order] % num_rows, best[order], len(histories), num_items)

    def best(
        self,
        history: Sequence[str],
        names: npt.NDArray[np.int32],
        allowed: npt.NDArray[np.bool_] | None,
        num_items: int,
    ) -> tuple[npt.NDArray[np.int32], WeightArray]:
        """What `find` finds for one history, under other names: `names` int32[>= num_rows] says what each row is called, negative where
        nobody may be told of it. Only names for which `allowed` (None: all) holds. The greatest score first, of equals the lower name."""
        settings, cells, num_rows = self.settings, self.table.cells, len(self._ids)
        find = self._row_of.get
        rows = np.array([find(item_id, -1) for item_id in history], np.int64)
        rule = NeighbourRule(
            self.decay.to_now(),
            settings.shrinkage,
            settings.popularity_power,
            settings.source_decay,
            settings.max_sources,
        )
        known = Neighbours(cells.targets, cells.weights, cells.used, self._counts, self._is_alive)
        return best_neighbours(known, rows, rule, names[:num_rows], allowed, num_items)

    def _members(self, histories: Sequence[Sequence[str]]) -> RowArray:
        """int64[m, 3]: of every known item of every history the history's number, the item's row, and how many came after it."""
        members: list[tuple[int, int, int]] = []
        for user, history in enumerate(histories):
            latest = {item_id: len(history) - place for place, item_id in enumerate(history, 1)}
            rows = ((self._row_of.get(item_id), back) for item_id, back in latest.items())
            members.extend((user, row, back) for row, back in rows if row is not None)
        return np.array(members, np.int64).reshape(-1, 3)

    def _scores(self, sources: RowArray, targets: RowArray, weights: WeightArray) -> npt.NDArray[np.float64]:
        """The shrunk cosine of each pair, float64[p]."""
        to_now, shrinkage, power = self.decay.to_now(), self.settings.shrinkage, self.settings.popularity_power
        source_counts = (self._counts[sources] * to_now + shrinkage) ** (1 - power)
        target_counts = (self._counts[targets] * to_now + shrinkage) ** power
        both = source_counts * target_counts
        # What was last seen hundreds of half-lives ago weighs nothing, and nothing divided by nothing is no score.
        scores: npt.NDArray[np.float64] = np.divide(weights * to_now, both, out=np.zeros(both.size), where=both > 0)
        return scores

    def ids(self, rows: RowArray) -> list[str]:
        """The items of rows that `find` answered since the last `observe` or `forget`."""
        named = (self._ids[row] for row in rows.tolist())
        return [item_id for item_id in named if item_id is not None]

    def forget(self, item_id: str) -> None:
        """A deleted item: found no more, and new if it is acted on again."""
        row = self._row_of.pop(item_id, None)
        if row is not None:
            self._ids[row] = None
            self._is_alive[row] = False
            self._counts[row] = 0.0
            self.table.clear_rows(np.array([row], np.int64))

    def forget_context(self, context: str) -> bool:
        """What a user (or session) did last says nothing of what comes; whether anything was known. What was counted of it stays, for it
        is counted of items and not of users."""
        return self.windows.forget(context)

    def copied(self) -> ItemToItem:
        """As it is now, to be written while this goes on."""
        num_rows = len(self._ids)
        copy = ItemToItem(self.settings)
        copy.decay = self.decay.copied()
        copy.table.cells = self.table.cells.of(np.arange(num_rows))
        copy.windows = self.windows.copied()
        copy._row_of, copy._ids = dict(self._row_of), list(self._ids)
        copy._counts, copy._is_alive = self._counts[:num_rows].copy(), self._is_alive[:num_rows].copy()
        return copy

    def to_arrow(self) -> ItemToItemTables:
        """Everything that it knows now; a copy."""
        num_rows = len(self._ids)
        cells = self.table.cells.of(np.arange(num_rows))
        filled = np.arange(self.table.width) < cells.used[:, np.newaxis]
        columns: list[Any] = [
            pa.array(self._ids, pa.string()),
            pa.array(self._counts[:num_rows]),
            pa.array(cells.floors),
        ]
        columns += [to_lists(each, filled) for each in (cells.targets, cells.weights, cells.errors)]
        state = {"settings": asdict(self.settings), "newest_ms": self.decay.newest_ms}
        schema = ITEMS_SCHEMA.with_metadata({_STATE: orjson.dumps(state)})
        return ItemToItemTables(pa.table(columns, schema=schema), self.windows.to_arrow())

    @classmethod
    def from_arrow(cls, tables: ItemToItemTables) -> ItemToItem:
        """The inverse of `to_arrow`, settings included. Raises KeyError, TypeError, ValueError for tables that are not of its making."""
        state = orjson.loads((tables.items.schema.metadata or {})[_STATE])
        index = cls(ItemToItemSettings(**state["settings"]))
        if state["newest_ms"] is not None:
            index.decay.advance(state["newest_ms"])
        items = tables.items.combine_chunks()
        index._ids = items.column("item_id").to_pylist()
        index._row_of = {item_id: row for row, item_id in enumerate(index._ids) if item_id is not None}
        index._grow()
        num_rows = len(index._ids)
        index._counts[:num_rows] = items.column("count").to_numpy()
        index._is_alive[:num_rows] = [item_id is not None for item_id in index._ids]
        _load_cells(index.table.cells, items)
        index.windows.load(tables.contexts)
        return index

    def _forget_infrequent(self) -> None:
        """Keep the more frequent half of the items, in their order."""
        self.numbering += 1
        num_rows = len(self._ids)
        counts = np.where(self._is_alive[:num_rows], self._counts[:num_rows], -1.0)
        best = np.argsort(-counts, kind="stable")[: self.settings.max_items // 2]
        kept = np.sort(best[counts[best] >= 0])
        new_number = np.full(num_rows, -1, np.int64)
        new_number[kept] = np.arange(kept.size)
        self.windows.renumber(new_number)
        self.table.renumber(kept)
        self._counts, self._is_alive = self._counts[kept], self._is_alive[kept]
        self._ids = [self._ids[row] for row in kept.tolist()]
        self._row_of = {item_id: row for row, item_id in enumerate(self._ids) if item_id is not None}


def _load_cells(cells: Cells, items: pa.Table) -> None:
    num_rows = items.num_rows
    cells.floors[:num_rows] = items.column("floor").to_numpy()
    cells.used[:num_rows] = lengths_of(items.column("targets"))
    filled = np.arange(cells.targets.shape[1]) < cells.used[:, np.newaxis]
    for name, values in (("targets", cells.targets), ("weights", cells.weights), ("errors", cells.errors)):
        write_lists(items.column(name), values, filled)


def _joined(parts: list[Found]) -> Found:
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    rows, scores = (np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "scores"))
    return Found(np.r_[0, np.cumsum(counts)], rows, scores)


def _first_of_each(owners: RowArray, rows: RowArray, scores: WeightArray, num_owners: int, num_items: int) -> Found:
    """Of each owner the first `num_items` entries; `owners` int64[n] ascending."""
    counts = np.bincount(owners, minlength=num_owners)
    starts = np.r_[0, np.cumsum(counts)]
    taken = np.arange(owners.size) - starts[owners] < num_items
    offsets = np.r_[0, np.cumsum(np.minimum(counts, max(0, num_items)))]
    return Found(offsets, rows[taken], scores[taken])
