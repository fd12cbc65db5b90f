"""Tables as checkpoints have them: a full one and any number of increments on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.embedding.options import TableOptions, options_of
from engine.embedding.rows import Fids, TableRows
from engine.embedding.store import EmbeddingStore
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_format import RowShape
from engine.embedding.table_reader import is_older, read_rows
from engine.embedding.table_state import TableState, load_state
from engine.errors import CorruptRecord
from engine.spec.definition import ModelDefinition


def rows_file(name: str) -> str:
    """The file of a table's rows in a checkpoint's folder."""
    return f"{name}.arrow"


def state_file(name: str) -> str:
    """The file of what a checkpoint keeps beside them."""
    return f"{name}.state.arrow"


def restore_store(definition: ModelDefinition, folders: Sequence[Path], *, unstamped_s: int = 0) -> EmbeddingStore:
    """Every table of the definition; see `restore_table`."""
    return EmbeddingStore(
        {
            name: restore_table(options, folders, name, unstamped_s=unstamped_s)
            for name, options in options_of(definition).items()
        }
    )


def restore_table(options: TableOptions, folders: Sequence[Path], name: str, *, unstamped_s: int = 0) -> EmbeddingTable:
    """The table called `name` as it was at the last of the checkpoints, oldest first: a full one and its increments.

    All that it decides from now on is what the saved table would have decided; options may differ in what is not about
    stored rows, such as rules. What was touched is touched; so may be rows that were published after their last change.
    Checkpoints before the last full one are not looked at. A file of freshet.table/1 needs no state; its rows count as last
    seen at `unstamped_s`, seconds since 1970: with 0 the first expiry takes all that may expire.

    Raises OSError when a file cannot be opened, and CorruptRecord, naming the file and what is wrong, when one is damaged, of a
    table of another dim or optimizer, or an increment on something else than what is given.
    """
    if not folders:
        raise ValueError("folders must have at least one element, received none")
    chain, state = _last_chain(folders, name)
    table = EmbeddingTable(options, index_salt=state.index_salt if state else None)
    paths = [folder / rows_file(name) for folder in chain]
    shape = RowShape.of(table)
    for path in paths:
        for _ in read_rows(path, shape):
            pass
    pending = _import_newest_first(table, paths, unstamped_s)
    table.import_deletes(pending)
    if state is not None:
        _finish(table, state, chain[-1] / state_file(name))
    return table


def _last_chain(folders: Sequence[Path], name: str) -> tuple[list[Path], TableState | None]:
    """The folders from the last full checkpoint on, and the state of the last."""
    chain: list[Path] = []
    newest: TableState | None = None
    for folder in reversed(folders):
        chain.insert(0, folder)
        path = folder / state_file(name)
        if not path.exists() and is_older(folder / rows_file(name)):
            return chain, newest
        state = load_state(path)
        newest = newest or state
        if not state.is_incremental:
            return chain, newest
    raise CorruptRecord(f"{path} is an increment on a checkpoint that was not given", path=str(path))


def _import_newest_first(table: EmbeddingTable, paths: Sequence[Path], unstamped_s: int) -> Fids:
    """Import each FID's newest row; answers the FIDs whose deletes still have to be published.

    Newest first, so that no row is written twice and none is erased, which would make a delete of it.
    """
    shape = RowShape.of(table)
    decided: Fids = np.empty(0, np.uint64)
    pending: Fids = np.empty(0, np.uint64)
    for path in reversed(paths):
        is_newest = path == paths[-1]
        gone = [decided]
        for piece in read_rows(path, shape):
            rows = _stamped(piece.rows, unstamped_s)
            table.import_rows(rows if is_newest else _undecided(rows, table, decided))
            gone.append(piece.gone)
            if is_newest:
                pending = np.concatenate((pending, piece.gone[piece.is_pending]))
        decided = np.unique(np.concatenate(gone))
    return pending


def _stamped(rows: TableRows, unstamped_s: int) -> TableRows:
    if rows.seen_at_s is not None:
        return rows
    return replace(rows, seen_at_s=np.full(len(rows), unstamped_s, np.uint32))


def _undecided(rows: TableRows, table: EmbeddingTable, decided: Fids) -> TableRows:
    """The rows of which no newer file has a row, nor says that they are gone."""
    keep = ~(table.contains(rows.fids) | np.isin(rows.fids, decided))
    return TableRows(
        rows.fids[keep],
        rows.slots[keep],
        rows.vectors[keep],
        None if rows.seen_at_s is None else rows.seen_at_s[keep],
        None if rows.counts is None else rows.counts[keep],
        None if rows.states is None else rows.states[keep],
        None if rows.touched is None else rows.touched[keep],
    )


def _finish(table: EmbeddingTable, state: TableState, path: Path) -> None:
    table.import_candidates(state.candidates)
    try:
        table.import_state_words(state.words)
    except ValueError as error:
        raise CorruptRecord(f"{path} is damaged: {error}", path=str(path)) from error
    has_digest = state.digest_precision == table.options.digest_precision
    if len(table) != state.num_rows or (has_digest and table.digest() != state.digest):
        raise CorruptRecord(
            f"{path} is of other rows: {state.num_rows} with digest {state.digest:016x}, "
            f"received {len(table)} with {table.digest():016x}",
            path=str(path),
        )
