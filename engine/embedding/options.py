"""What a table is made with, and how a model definition says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import engine_cc
from engine.spec.definition import ModelDefinition
from engine.spec.retention import Evict
from engine.spec.serving_copy import Precision
from engine.spec.slot import AdmitAlways, AdmitMinCount, AdmitProbability, Expiry
from engine.spec.sparse_optimizer import SparseAdagrad, SparseOptimizer

MIN_CANDIDATES = 16
"""Of a table: one for each of its shards."""

_OF_THE_STEP = {"kind", "learning_rate", "initializer"}


@dataclass(frozen=True, slots=True)
class SlotRule:
    """What earns the ids of a slot a row, and what loses it for them. `slot` is the number in their FIDs, 0..65535."""

    slot: int
    admission: AdmitAlways | AdmitMinCount | AdmitProbability = field(default_factory=AdmitAlways)
    expiry: Expiry | None = None

    def to_core(self) -> tuple[int, str, int, float, int, int]:
        min_count, probability, window_s = 1, 1.0, 0
        if isinstance(self.admission, AdmitMinCount):
            min_count, window_s = self.admission.min_count, self.admission.window_s or 0
        elif isinstance(self.admission, AdmitProbability):
            probability = self.admission.probability
        ttl_s = self.expiry.ttl_s if self.expiry else 0
        return self.slot, self.admission.kind, min_count, probability, window_s, ttl_s


@dataclass(frozen=True, slots=True)
class TableOptions:
    """A table's dim, 1..4096; the seed of new rows, 0 <= seed < 2**64; its optimizer and initializer; and its rules.

    Of `optimizer` everything counts but the learning rate, which each call brings. `max_rows` is the budget, 0 for none. A
    slot without a rule admits always and expires never. The digest is of vectors as replicas have them: in
    `digest_precision`.
    """

    dim: int
    seed: int = 0
    optimizer: SparseOptimizer = field(default_factory=SparseAdagrad)
    rules: tuple[SlotRule, ...] = ()
    digest_precision: Precision = Precision.FLOAT32
    max_rows: int = 0
    evict: Evict = Evict.LEAST_RECENT
    max_candidates: int = 2**20

    def __post_init__(self) -> None:
        limits = {
            "dim": (self.dim, 1, 4096),
            "seed": (self.seed, 0, 2**64 - 1),
            "max_rows": (self.max_rows, 0, 2**63 - 1),
            "max_candidates": (self.max_candidates, MIN_CANDIDATES, 2**32),
        }
        for name, (value, least, most) in limits.items():
            if not least <= value <= most:
                raise ValueError(f"{name} must be {least} to {most}, received {value}")

    def new_core(self, index_salt: int) -> engine_cc.Table:
        """An empty table of the C++ core. Raises ValueError for what it refuses."""
        return engine_cc.Table(
            dim=self.dim,
            seed=self.seed,
            index_salt=index_salt,
            initializer=self.optimizer.initializer.kind,
            init_scale=getattr(self.optimizer.initializer, "scale", 0.0),
            optimizer=self.optimizer.kind,
            optimizer_options=optimizer_fields(self.optimizer),
            slot_rules=[rule.to_core() for rule in self.rules],
            digest_precision=self.digest_precision,
            max_rows=self.max_rows,
            evict=self.evict,
            max_candidates=self.max_candidates,
        )


def optimizer_fields(optimizer: SparseOptimizer) -> dict[str, Any]:
    """The optimizer's numbers by the names that both the definition and the core give them."""
    return optimizer.model_dump(exclude=_OF_THE_STEP, exclude_none=True)


def bytes_per_row(dim: int, optimizer: SparseOptimizer) -> int:
    """Bytes that a row takes in a large table, index included."""
    return engine_cc.Table.bytes_per_row(dim, optimizer.kind, optimizer_fields(optimizer))


def table_name(dim: int) -> str:
    """The name by which files, deltas and stores know the table of a dim."""
    return f"dim{dim}"


def options_of(definition: ModelDefinition) -> dict[str, TableOptions]:
    """One table for each embedding dim of the definition, keyed `dim<d>`, ascending by dim.

    The memory budget is divided into equal bytes for each table, and becomes rows by what one takes in a large table;
    likewise the candidates. The rows of a slot that shares another's are under the owner's rule.
    """
    num_tables = len(definition.dims)
    retention = definition.retention
    options = {}
    for dim in definition.dims:
        owners = [slot for slot in definition.slots if slot.dim == dim and slot.shares is None]
        max_rows = 0
        if retention.max_table_bytes is not None:
            table_bytes = retention.max_table_bytes // num_tables
            max_rows = max(1, table_bytes // bytes_per_row(dim, definition.sparse_optimizer))
        options[table_name(dim)] = TableOptions(
            dim=dim,
            seed=definition.training.seed,
            optimizer=definition.sparse_optimizer,
            rules=tuple(SlotRule(slot.number, slot.admission, slot.expiry) for slot in owners),
            digest_precision=definition.serving.precision,
            max_rows=max_rows,
            evict=retention.evict,
            max_candidates=max(MIN_CANDIDATES, retention.max_candidates // num_tables),
        )
    return options
