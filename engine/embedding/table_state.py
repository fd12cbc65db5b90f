"""What a checkpoint keeps of a table beside its rows, as an Arrow IPC file: candidates, counters, hands and the index salt.

Columns of freshet.table-state/1, one row for each candidate: fid uint64, slot uint16, count uint32, since_s uint32. The
metadata's `state` is a JSON document with the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from engine.embedding.rows import Candidates
from engine.errors import CorruptRecord

FORMAT = b"freshet.table-state/1"
_FIELDS: list[pa.Field[Any]] = [
    pa.field("fid", pa.uint64(), nullable=False),
    pa.field("slot", pa.uint16(), nullable=False),
    pa.field("count", pa.uint32(), nullable=False),
    pa.field("since_s", pa.uint32(), nullable=False),
]


@dataclass(frozen=True, slots=True)
class TableState:
    """The table at the moment of the checkpoint; `is_incremental` tells that rows unchanged since the last one are in its files.

    `words` uint64: counters and hands. `index_salt` is secret. `digest` is of vectors in `digest_precision`.
    """

    is_incremental: bool
    num_rows: int
    digest: int
    digest_precision: str
    index_salt: int
    words: NDArray[np.uint64]
    candidates: Candidates


def save_state(state: TableState, path: Path) -> None:
    """Write to a new file. Raises OSError."""
    document = {
        "is_incremental": state.is_incremental,
        "num_rows": state.num_rows,
        "digest": f"{state.digest:016x}",
        "digest_precision": str(state.digest_precision),
        "index_salt": f"{state.index_salt:016x}",
        "words": [f"{word:016x}" for word in state.words.tolist()],
    }
    schema = pa.schema(_FIELDS, metadata={b"format": FORMAT, b"state": orjson.dumps(document)})
    held = state.candidates
    arrays: list[Any] = [pa.array(part) for part in (held.fids, held.slots, held.counts, held.since_s)]
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))


def load_state(path: Path) -> TableState:
    """Read a file of `save_state`. Raises OSError when it cannot be opened, CorruptRecord when it is damaged or another kind."""
    if not path.stat().st_size:
        raise CorruptRecord(f"{path} is damaged: it is empty", path=str(path))
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            read = reader.read_all()
            read.validate(full=True)
    except (pa.ArrowException, OSError) as error:
        raise CorruptRecord(f"{path} is damaged: {error}", path=str(path)) from error
    metadata = read.schema.metadata or {}
    if metadata.get(b"format") != FORMAT or not read.schema.equals(pa.schema(_FIELDS)):
        raise CorruptRecord(f"{path} is not a file of a table's state", path=str(path))
    if any(column.null_count for column in read.columns):
        raise CorruptRecord(f"{path} is damaged: it holds null values", path=str(path))
    try:
        return _to_state(orjson.loads(metadata[b"state"]), read)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise CorruptRecord(f"{path} is damaged: its state cannot be read: {error}", path=str(path)) from error


def _to_state(document: dict[str, Any], read: pa.Table) -> TableState:
    fids, slots, counts, since_s = (read.column(name).to_numpy() for name in ("fid", "slot", "count", "since_s"))
    return TableState(
        is_incremental=bool(document["is_incremental"]),
        num_rows=int(document["num_rows"]),
        digest=_word(document["digest"]),
        digest_precision=str(document["digest_precision"]),
        index_salt=_word(document["index_salt"]),
        words=np.array([_word(word) for word in document["words"]], np.uint64),
        candidates=Candidates(fids, slots, counts, since_s),
    )


def _word(text: str) -> int:
    """Sixteen hexadecimal digits, because JSON's numbers lose the last bits of 64 in many readers."""
    if len(text) != 16:
        raise ValueError(f"a word has 16 hexadecimal digits, received {text[:20]!r}")
    return int(text, 16)
