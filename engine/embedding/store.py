"""The tables of one model definition."""

from __future__ import annotations

from engine.embedding.table import EmbeddingTable
from engine.spec.definition import ModelDefinition, Slot


def table_name(dim: int) -> str:
    """The name by which files, deltas and `EmbeddingStore.tables` know the table of a dim."""
    return f"dim{dim}"


class EmbeddingStore:
    """One table for each embedding dim of a definition, keyed `dim<d>`, ascending by dim."""

    def __init__(self, tables: dict[str, EmbeddingTable]) -> None:
        self.tables = tables

    @classmethod
    def for_definition(cls, definition: ModelDefinition) -> EmbeddingStore:
        """Empty tables with the definition's seed and sparse optimizer."""
        optimizer = definition.sparse_optimizer
        return cls(
            {
                table_name(dim): EmbeddingTable(
                    dim,
                    seed=definition.training.seed,
                    init_scale=optimizer.init_scale,
                    initial_accumulator=optimizer.initial_accumulator,
                )
                for dim in definition.dims
            }
        )

    def table_of(self, slot: Slot) -> EmbeddingTable:
        """The table in which the slot's rows lie. Raises KeyError for a slot of another definition."""
        return self.tables[table_name(slot.dim)]

    @property
    def num_rows(self) -> int:
        return sum(len(table) for table in self.tables.values())

    @property
    def memory_bytes(self) -> int:
        return sum(table.memory_bytes for table in self.tables.values())

    @property
    def num_touched(self) -> int:
        return sum(table.num_touched for table in self.tables.values())

    def digest(self) -> int:
        """The sum of the tables' digests modulo 2**64: equal for equal contents. Walks every row."""
        return sum(table.digest() for table in self.tables.values()) % 2**64
