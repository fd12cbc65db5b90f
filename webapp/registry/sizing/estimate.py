"""What a definition will take over a project's data: by slot, by table, and in all, each with how it was estimated."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.spec import table_size
from engine.spec.definition import ModelDefinition, Slot
from engine.spec.dense_weights import num_optimizer_floats, num_weights
from engine.spec.example import Cause, Example, Origin
from engine.spec.slot import AdmitAlways
from webapp.registry.sizing.cardinality import Group, Spread, spread_of
from webapp.registry.sizing.sample import CatalogueSample, DataSample
from webapp.registry.sizing.source_values import SourceValues

PACKED: Final = 0.9
"""What zstd leaves of floats in a delta."""

_FLOAT_BYTES: Final = 4
_DAY_S: Final = 86_400
_MOSTLY_KNOWN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows that a run has counted in a slot of the same source and rules: the truth, as far as that run has read."""

    num_rows: int
    run_id: int
    version: str


@dataclass(frozen=True, slots=True)
class SlotEstimate:
    """Of a slot with rows of its own and those that share them. Numbers are None where nothing is known of the source yet."""

    name: str
    sharers: tuple[str, ...]
    source: str
    dim: int
    table: str
    row_bytes: int
    basis: str
    num_ids: float | None = None
    least: int | None = None
    most: float | None = None
    num_rows: float | None = None
    num_waiting: float = 0.0
    num_touched: float = 0.0
    counted: Counted | None = None

    @property
    def num_bytes(self) -> float | None:
        return None if self.num_rows is None else self.num_rows * self.row_bytes


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes of everything. `num_over`: rows that the memory budget would evict. `sample_words` say what was looked at; nothing, where
    there is no data.
    """

    slots: tuple[SlotEstimate, ...]
    num_rows: float
    num_unknown: int
    num_over: float
    table_bytes: float
    candidate_bytes: float
    budget_bytes: int | None
    replica_bytes: float
    num_weights: int
    weight_bytes: int
    optimizer_bytes: int
    checkpoint_bytes: float
    snapshot_bytes: float
    delta_rows: float | None
    delta_bytes: float | None
    day_bytes: float | None
    sample_words: str

    @property
    def is_unknown(self) -> bool:
        """Whether nothing is known of any slot."""
        return self.num_unknown == len(self.slots)

    @property
    def trainer_bytes(self) -> float:
        return self.table_bytes + self.candidate_bytes

    @property
    def budget_share(self) -> float | None:
        return None if self.budget_bytes is None else self.table_bytes / self.budget_bytes


def estimate_of(
    definition: ModelDefinition, sample: DataSample, counted: Mapping[str, Counted] | None = None
) -> Estimate:
    """`counted` by the name of a slot with rows of its own."""
    slots = [_slot(definition, slot, sample, counted or {}) for slot in definition.slots if slot.shares is None]
    slots, num_over = _within_budget(definition, slots)
    optimizer = definition.sparse_optimizer
    rows_of = [(slot, slot.num_rows or 0.0) for slot in slots]
    weights = num_weights(definition)
    candidates = min(sum(slot.num_waiting for slot in slots), definition.retention.max_candidates)
    num_tables = len(definition.dims)
    snapshot = weights * _FLOAT_BYTES + sum(rows * table_size.delta_row_bytes(slot.dim) for slot, rows in rows_of)
    checkpoint = (weights + num_optimizer_floats(definition)) * _FLOAT_BYTES
    deltas = _deltas(definition, slots, sample)
    return Estimate(
        slots=tuple(slots),
        num_rows=sum(rows for _, rows in rows_of),
        num_unknown=sum(1 for slot in slots if slot.num_rows is None),
        num_over=num_over,
        table_bytes=num_tables * table_size.FIXED_TABLE_BYTES + sum(rows * slot.row_bytes for slot, rows in rows_of),
        candidate_bytes=candidates * table_size.CANDIDATE_BYTES,
        budget_bytes=definition.retention.max_table_bytes,
        replica_bytes=num_tables * table_size.FIXED_SERVING_BYTES
        + sum(rows * table_size.serving_row_bytes(slot.dim, definition.serving.precision) for slot, rows in rows_of)
        + weights * _FLOAT_BYTES,
        num_weights=weights,
        weight_bytes=weights * _FLOAT_BYTES,
        optimizer_bytes=num_optimizer_floats(definition) * _FLOAT_BYTES,
        checkpoint_bytes=checkpoint
        + sum(rows * table_size.checkpoint_row_bytes(slot.dim, optimizer) for slot, rows in rows_of),
        snapshot_bytes=snapshot,
        delta_rows=deltas[0] if deltas else None,
        delta_bytes=deltas[1] if deltas else None,
        day_bytes=deltas[2] if deltas else None,
        sample_words=_sample_words(sample),
    )


def _slot(definition: ModelDefinition, slot: Slot, sample: DataSample, counted: Mapping[str, Counted]) -> SlotEstimate:
    sharers = [each for each in definition.slots if each.shares == slot.name]
    spread, basis = _spread(definition, [slot, *sharers], sample)
    made = SlotEstimate(
        slot.name,
        tuple(each.name for each in sharers),
        slot.source,
        slot.dim,
        f"dim{slot.dim}",
        table_size.table_row_bytes(slot.dim, definition.sparse_optimizer),
        basis,
        counted=counted.get(slot.name),
    )
    if spread is None:
        return made
    if not sample.examples:
        # how often an id comes is not known before events arrive, so that nothing says which ids would earn their row
        rows = spread.num_rows(AdmitAlways(), None, 1.0)
        return replace(made, num_ids=spread.num_ids, least=spread.least, most=spread.most, num_rows=rows)
    ttl_s = slot.expiry.ttl_s if slot.expiry else None
    rows = spread.num_rows(slot.admission, ttl_s, sample.span_s)
    share = min(1.0, definition.sync.interval_s / sample.span_s) if sample.span_s > 0 else 1.0
    touched = spread.num_touched(share) * (rows / spread.num_ids if spread.num_ids else 0.0)
    return replace(
        made,
        num_ids=spread.num_ids,
        least=spread.least,
        most=spread.most,
        num_rows=rows,
        num_waiting=spread.num_waiting(slot.admission, sample.span_s),
        num_touched=touched,
    )


def _spread(definition: ModelDefinition, slots: Sequence[Slot], sample: DataSample) -> tuple[Spread | None, str]:
    """Of the ids of these slots, which are one slot's rows, and how it is known."""
    values = SourceValues(definition)
    if not sample.examples:
        return _of_catalogue(slots[0], values, sample)
    found = [value for example in sample.examples for slot in slots for value in values.of_slot(slot, example)]
    if not found:
        return None, "no example in the sample has a value"
    most, known = _catalogue_says(slots[0].source, sample)
    spread = spread_of(found, sample.fraction, most)
    if sample.fraction == 1.0:
        return spread, "counted in all examples"
    return spread, "from the sample" + (f", at most the catalogue's {known}" if most is not None else "")


def _of_catalogue(slot: Slot, values: SourceValues, sample: DataSample) -> tuple[Spread | None, str]:
    """While there are no examples: the ids of users and items, and the values of their properties."""
    side = slot.source.partition(".")[0]
    of_side = {"user": sample.users, "item": sample.items}.get(side)
    if of_side is None:
        return None, "known when there are examples"
    if slot.source in ("user.id", "item.id"):
        ids = Spread((Group(of_side.num, 1, 1.0),), of_side.num, of_side.num)
        return (ids, _catalogue_words(of_side, side)) if of_side.num else (None, f"no {side}s yet")
    made = [_made(properties, side) for properties in of_side.properties]
    found: list[Hashable] = [value for example in made for value in values.of_slot(slot, example)]
    if not found:
        return None, f"no {side} has a value yet"
    return spread_of(found, min(1.0, len(made) / of_side.num)), f"from {len(made):,} of {of_side.num:,} {side}s"


def _catalogue_says(source: str, sample: DataSample) -> tuple[float | None, str]:
    """How many users or items there can be, where the catalogue knows most of those that examples name."""
    found = {"user.id": (sample.users, sample.known_users), "item.id": (sample.items, sample.known_items)}.get(source)
    if found is None or found[1] < _MOSTLY_KNOWN:
        return None, ""
    of_side, known = found
    return of_side.num / known, f"{of_side.num:,}"


def _catalogue_words(of_side: CatalogueSample, side: str) -> str:
    return f"{side}s in the catalogue" + ("" if of_side.is_exact else ", as PostgreSQL estimates")


def _made(properties: Mapping[str, object], side: str) -> Example:
    user, item = (dict(properties), {}) if side == "user" else ({}, dict(properties))
    return Example("", "", "", 0, Origin.ACTION, {}, Cause(0, 0, 0), user=user, item=item)


def _within_budget(definition: ModelDefinition, slots: list[SlotEstimate]) -> tuple[list[SlotEstimate], float]:
    """Slots with the rows that the budget leaves them, and how many rows it would evict: each table has an equal part of it."""
    budget = definition.retention.max_table_bytes
    if budget is None:
        return slots, 0.0
    over, kept = 0.0, list(slots)
    for dim in definition.dims:
        most = budget // len(definition.dims) // table_size.budgeted_row_bytes(dim, definition.sparse_optimizer)
        rows = sum(slot.num_rows or 0.0 for slot in slots if slot.dim == dim)
        if rows > most:
            over += rows - most
            kept = [
                replace(slot, num_rows=slot.num_rows * most / rows) if slot.dim == dim and slot.num_rows else slot
                for slot in kept
            ]
    return kept, over


def _deltas(
    definition: ModelDefinition, slots: Sequence[SlotEstimate], sample: DataSample
) -> tuple[float, float, float] | None:
    """Rows and bytes of a publish, and bytes of a day at this rate; None while no rate is known."""
    if not sample.examples or sample.span_s <= 0:
        return None
    rows = sum(min(slot.num_touched, slot.num_rows or 0.0) for slot in slots)
    floats = sum(min(slot.num_touched, slot.num_rows or 0.0) * slot.dim * _FLOAT_BYTES for slot in slots)
    bytes_each = floats * PACKED + rows * 8
    dense = num_weights(definition) * _FLOAT_BYTES * PACKED
    sync = definition.sync
    return rows, bytes_each, _DAY_S * (bytes_each / sync.interval_s + dense / sync.dense_interval_s)


def _sample_words(sample: DataSample) -> str:
    if sample.examples:
        if sample.fraction == 1.0:
            return f"all {sample.num_examples:,} examples"
        return f"{len(sample.examples):,} of {sample.num_examples:,} examples, from all over the log"
    if sample.users.num or sample.items.num:
        return "the catalogue: there are no examples yet, so every id is taken to earn a row and to keep it"
    return ""
