"""From a checkpoint of one definition to the training state of the next: what was learned and still fits goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.checkpoint.arrays import FloatArrays, load_arrays
from engine.checkpoint.folder import Chain, open_chain
from engine.checkpoint.snapshot import DENSE_FILE
from engine.embedding.options import options_of, table_name
from engine.embedding.rows import Candidates, TableRows
from engine.embedding.store import EmbeddingStore
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_restore import restore_table
from engine.errors import CorruptRecord, InvalidDocument
from engine.features.statistics import PREFIX
from engine.models.registry import build_architecture
from engine.spec.definition import ModelDefinition
from engine.spec.evolution import Fate, SlotFate, Types, made_of, plan_evolution
from engine.spec.training_settings import OnChangedSlot
from engine.training.progress import Progress
from engine.training.state import TrainingState
from engine.training.state_cut import OPTIMIZER_FILE

logger = logging.getLogger(__name__)

_SPARE_NAME: Final = "zz_spare"
_PIECE_ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class EvolutionReport:
    """What went on and what began anew: slots with the number of their rows, and dense weights by name."""

    slots: tuple[SlotFate, ...]
    num_rows: dict[str, int]
    """Rows carried over, by the name of the slot that has them now."""

    kept_weights: tuple[str, ...]
    new_weights: tuple[str, ...]
    dropped_weights: tuple[str, ...]
    keeps_row_state: bool
    """Whether the rows' optimizer state went on too."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[str]:
        """For people: one line a slot, then the weights."""
        said = [
            f"slot {slot.name}: {slot.fate}"
            + (f", {self.num_rows.get(slot.name, 0)} rows" if slot.fate is Fate.KEPT else "")
            + (f" ({slot.reason}), begins anew" if slot.reason else "")
            for slot in self.slots
        ]
        for what, names in (("kept", self.kept_weights), ("anew", self.new_weights), ("dropped", self.dropped_weights)):
            if names:
                said.append(f"dense weights {what}: {', '.join(names)}")
        return said if self.keeps_row_state else [*said, "the rows' optimizer state begins anew"]


@dataclass(frozen=True, slots=True)
class Evolved:
    """A state of the new definition, ready to learn, and what it took over."""

    state: TrainingState
    report: EvolutionReport


def evolve(
    definition: ModelDefinition,
    folder: Path,
    *,
    old_types: Types | None = None,
    new_types: Types | None = None,
    keep_progress: bool = True,
    wall_clock: Callable[[], float] = time.time,
) -> Evolved:
    """The state that a run of `definition` begins with, from the checkpoint in `folder`, of this definition or an earlier one.

    Rows (with stamps, counts and, under the same optimizer, their state) and waiting candidates of kept slots go on; those of removed
    slots are left behind, and so are those of changed ones where the definition says `training.on_changed_slot: restart`. Every
    row is touched, so that a first delta carries all to replicas of the new version; after a snapshot `forget_touched` spares that.
    Dense weights go on when their shape is the same and so are the inputs or tasks behind it. What was seen of the data goes on:
    catalogue, item pool, frequencies, event clock, running statistics of inputs that are the same. Metrics begin anew.

    `keep_progress`: go on at the offsets that the checkpoint had reached, as a run over the log does; otherwise from the beginning.
    `old_types`, `new_types`: of the schemas, so that a property's change of type is noticed. Raises `InvalidDocument` when a slot
    changed and the definition refuses that, `CorruptRecord` when the checkpoint is damaged.
    """
    chain = open_chain(folder)
    try:
        old = ModelDefinition.parse(chain[-1].meta.get("definition"))
    except InvalidDocument as error:
        raise CorruptRecord(f"{folder} is of a definition that cannot be read: {error.message}") from error
    plan = plan_evolution(old, definition, old_types, new_types)
    if definition.training.on_changed_slot is OnChangedSlot.REFUSE:
        plan.refuse_changes(definition)
    store, num_rows = _carried_rows(old, definition, chain, set(plan.numbers(Fate.KEPT)))
    state = TrainingState(definition, wall_clock=wall_clock, store=store)
    try:
        small = state.load_what_was_seen(chain[-1].folder)
        kept, new, dropped = _carry_weights(old, state, chain[-1].folder, small.counters["num_dense_steps"])
        _carry_statistics(old, state, small.counters.get("statistics", {}))
        if keep_progress:
            state.progress = Progress.from_json(small.counters["progress"])
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise CorruptRecord(f"{folder} is not a checkpoint that can be gone on from: {error}") from error
    names = {slot.number: slot.name for slot in plan.slots}
    report = EvolutionReport(
        slots=plan.slots,
        num_rows={names[number]: count for number, count in sorted(num_rows.items())},
        kept_weights=kept,
        new_weights=new,
        dropped_weights=dropped,
        keeps_row_state=_same_row_state(old, definition),
    )
    logger.info("%s: %s", folder, "; ".join(report.lines()))
    return Evolved(state, report)


def _carried_rows(
    old: ModelDefinition, new: ModelDefinition, chain: Chain, kept: set[int]
) -> tuple[EmbeddingStore, dict[int, int]]:
    """New tables with the rows of the kept slots, and how many of each; one old table in memory at a time."""
    store = EmbeddingStore.for_definition(new)
    num_rows = dict.fromkeys(kept, 0)
    seen_s = max(0, int(chain[-1].meta["progress"]["event_time_ms"]) // 1000)
    folders = [manifest.folder for manifest in chain]
    for name, options in options_of(old).items():
        numbers = [
            slot.number
            for slot in new.slots
            if slot.shares is None and slot.number in kept and table_name(slot.dim) == name
        ]
        if numbers:
            table = restore_table(options, folders, name, unstamped_s=seen_s)
            _copy(table, store.tables[name], numbers, num_rows, with_state=_same_row_state(old, new))
    return store, num_rows


def _copy(
    table: EmbeddingTable, target: EmbeddingTable, numbers: Iterable[int], num_rows: dict[int, int], *, with_state: bool
) -> None:
    wanted = np.array(sorted(numbers), np.uint16)
    for rows in table.rows(_PIECE_ROWS):
        chosen = _chosen(rows, np.isin(rows.slots, wanted))
        target.import_rows(
            replace(chosen, states=chosen.states if with_state else None, touched=np.ones(len(chosen), np.bool_))
        )
        for number, count in zip(*np.unique(chosen.slots, return_counts=True), strict=True):
            num_rows[int(number)] += int(count)
    waiting = table.candidates()
    mask = np.isin(waiting.slots, wanted)
    target.import_candidates(
        Candidates(waiting.fids[mask], waiting.slots[mask], waiting.counts[mask], waiting.since_s[mask])
    )


def _chosen(rows: TableRows, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> TableRows:
    def part(values: Any) -> Any:
        return None if values is None else values[mask]

    return TableRows(
        rows.fids[mask],
        rows.slots[mask],
        rows.vectors[mask],
        part(rows.seen_at_s),
        part(rows.counts),
        part(rows.states),
    )


def _same_row_state(old: ModelDefinition, new: ModelDefinition) -> bool:
    return old.sparse_optimizer.kind == new.sparse_optimizer.kind


def _carry_weights(
    old: ModelDefinition, state: TrainingState, folder: Path, num_steps: int
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names of the weights that went on, of those that began anew, and of the old ones that are no more."""
    saved = load_arrays(folder / DENSE_FILE)
    own = state.architecture.dense_weights()
    moved = _weights_of_what_changed(old, state.definition)
    trained = [name for name in own if not name.startswith(PREFIX)]
    kept = [name for name in trained if name in saved and saved[name].shape == own[name].shape and name not in moved]
    state.architecture.load_dense_weights(own | {name: saved[name] for name in kept})
    if old.dense_optimizer.kind == state.definition.dense_optimizer.kind:
        _carry_moments(state, load_arrays(folder / OPTIMIZER_FILE), set(kept), num_steps)
    else:
        state.dense_optimizer.restore(state.dense_optimizer.state(), num_steps)
    new = [name for name in trained if name not in kept]
    dropped = [name for name in saved if name not in own and not name.startswith(PREFIX)]
    return tuple(kept), tuple(new), tuple(dropped)


def _carry_moments(state: TrainingState, saved: FloatArrays, kept: set[str], num_steps: int) -> None:
    own = state.dense_optimizer.state()
    for name, value in own.items():
        weight = name.rpartition("/")[0]
        if weight in kept and name in saved and saved[name].shape == value.shape:
            own[name] = saved[name]
    state.dense_optimizer.restore(own, num_steps)


def _weights_of_what_changed(old: ModelDefinition, new: ModelDefinition) -> set[str]:
    """Weights with a place for each input, or for each task, when these are not the same any more.

    Their shape may fit by chance, one input gone and another come; but then a place means another input than it was learned for.
    Which they are is seen by their shape in a model with one input, or one task, more.
    """
    document = new.as_json()
    larger: list[dict[str, Any]] = []
    if _inputs(old) != _inputs(new):
        for source in ("user.zz_spare", "item.zz_spare"):
            larger += [
                {"dense": [*document["dense"], {"name": _SPARE_NAME, "source": source}]},
                {"slots": [*document["slots"], _spare_slot(new, source)]},
            ]
    if [task.name for task in old.tasks] != [task.name for task in new.tasks]:
        larger.append({"tasks": [*document["tasks"], document["tasks"][0] | {"name": _SPARE_NAME}]})
    shapes = _shapes(new) if larger else {}
    return {name for change in larger for name in _differing(shapes, document | change)}


def _inputs(definition: ModelDefinition) -> list[tuple[Any, ...]]:
    slots = [(definition.side_of(slot.source), slot.dim, made_of(definition, slot.source)) for slot in definition.slots]
    return slots + [(made_of(definition, dense.source), dense.dim, dense.transform) for dense in definition.dense]


def _spare_slot(definition: ModelDefinition, source: str) -> dict[str, Any]:
    used = {slot.number for slot in definition.slots}
    number = next(number for number in range(1, 4096) if number not in used)
    return {"name": _SPARE_NAME, "number": number, "source": source, "dim": definition.slots[0].dim}


def _shapes(definition: ModelDefinition) -> dict[str, tuple[int, ...]]:
    return {name: tuple(variable.shape) for name, variable in build_architecture(definition).variables.items()}


def _differing(shapes: dict[str, tuple[int, ...]], document: dict[str, Any]) -> set[str]:
    try:
        other = _shapes(ModelDefinition.parse(document))
    except InvalidDocument:
        return set()  # an architecture that takes no such input has no weight for one
    return {name for name, shape in shapes.items() if other.get(name) != shape}


def _carry_statistics(old: ModelDefinition, state: TrainingState, saved: dict[str, Any]) -> None:
    before = {dense.name: (made_of(old, dense.source), dense.dim, dense.transform) for dense in old.dense}
    new = state.definition
    kept = {
        dense.name: saved[dense.name]
        for dense in new.dense
        if dense.name in saved and before.get(dense.name) == (made_of(new, dense.source), dense.dim, dense.transform)
    }
    state.statistics.restore(state.statistics.to_json() | kept)
    state.architecture.load_statistics(state.statistics.weights())
