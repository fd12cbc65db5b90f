"""Files of a table's vectors: what a replica begins with. Their form is in `table_format`."""

from __future__ import annotations

from pathlib import Path

from engine.embedding.serving_table import ServingTable
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_reader import read_vectors
from engine.embedding.table_writer import BATCH_ROWS, VectorsWriter


def save_vectors(table: EmbeddingTable, path: Path) -> None:
    """Stream the table's vectors to a new file. For a consistent picture beside writers see `StoreImage`.

    Raises OSError. Writing aside, renaming and checksums are the caller's.
    """
    with VectorsWriter(path, table.dim) as writer:
        for rows in table.rows(BATCH_ROWS):
            writer.write(rows)


def load_vectors(table: EmbeddingTable | ServingTable, path: Path) -> int:
    """Fill an empty table from a file of vectors, or the vectors of a file of rows; answers the number of rows.

    The whole file is read and checked before the table changes. Rows are new ones to an `EmbeddingTable`, and none is
    touched. Raises ValueError when the table is not empty, OSError when the file cannot be opened, and CorruptRecord when it is
    damaged, is not a table's, or has another dim.
    """
    if len(table):
        raise ValueError(f"load_vectors fills an empty table, received one of {len(table)} rows")
    for _ in read_vectors(path, table.dim):
        pass
    for rows in read_vectors(path, table.dim):
        if isinstance(table, ServingTable):
            table.upsert(rows.fids, rows.vectors)
        else:
            table.import_rows(rows)
    return len(table)
