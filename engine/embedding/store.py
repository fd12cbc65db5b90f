"""The tables of one model definition: those that train, and a replica's copy of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from engine.embedding.options import options_of, table_name
from engine.embedding.rows import Fids, Floats
from engine.embedding.serving_table import ServingTable
from engine.embedding.table import EmbeddingTable
from engine.spec.definition import ModelDefinition, Slot

__all__ = ["EmbeddingStore", "ModelStore", "RowSource", "ServingStore", "table_name"]


class RowSource(Protocol):
    """What a model's forward pass needs of a table: of one that trains, or of a replica's."""

    def lookup(self, fids: Fids, out: Floats | None = None) -> Floats: ...

    def __len__(self) -> int: ...

    @property
    def memory_bytes(self) -> int: ...

    def digest(self) -> int: ...


Table = TypeVar("Table", bound=RowSource)


class _Store(Generic[Table]):
    """One table for each embedding dim of a definition, keyed `dim<d>`, ascending by dim."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = dict(tables)

    def table_of(self, slot: Slot) -> Table:
        """The table in which the slot's rows lie. Raises KeyError for a slot of another definition."""
        return self.tables[table_name(slot.dim)]

    @property
    def num_rows(self) -> int:
        return sum(len(table) for table in self.tables.values())

    @property
    def memory_bytes(self) -> int:
        return sum(table.memory_bytes for table in self.tables.values())

    def digest(self) -> int:
        """The sum of the tables' digests modulo 2**64: equal for equal contents. O(1)."""
        return sum(table.digest() for table in self.tables.values()) % 2**64


class EmbeddingStore(_Store[EmbeddingTable]):
    """The tables that train."""

    @classmethod
    def for_definition(cls, definition: ModelDefinition) -> EmbeddingStore:
        """Empty tables with the definition's optimizer, seed, rules and budget; see `options_of`."""
        return cls({name: EmbeddingTable(options) for name, options in options_of(definition).items()})

    @property
    def num_touched(self) -> int:
        return sum(table.num_touched for table in self.tables.values())


class ServingStore(_Store[ServingTable]):
    """A replica's tables: vectors in the definition's precision."""

    @classmethod
    def for_definition(cls, definition: ModelDefinition) -> ServingStore:
        """Empty tables."""
        return cls({table_name(dim): ServingTable(dim, definition.serving.precision) for dim in definition.dims})


ModelStore = EmbeddingStore | ServingStore
"""What a model's forward pass reads: the tables that train, or a replica's."""
