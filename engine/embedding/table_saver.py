"""Writing checkpoints while training goes on: a point in time of every table, and a thread that writes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from engine.embedding.table import EmbeddingTable
from engine.embedding.table_format import RowShape
from engine.embedding.table_image import TableImage
from engine.embedding.table_restore import rows_file, state_file
from engine.embedding.table_state import TableState, save_state
from engine.embedding.table_writer import RowsWriter, VectorsWriter
from engine.errors import SaveCancelled

Answer = TypeVar("Answer")

PIECE_ROWS = 65_536


class StoreImage:
    """Every table as it was at one moment. To be made between two steps of training; then any one thread may `write` it, once.

    Close it, or use it as a context manager, and `confirm` it once its files are safe: the next image is otherwise full.
    """

    def __init__(self, tables: Mapping[str, EmbeddingTable], *, incremental: bool) -> None:
        """Raises RuntimeError while a table has another image, MemoryError; nothing is begun then."""
        self._tables = dict(tables)
        self._images: dict[str, TableImage] = {}
        self._is_cancelled = threading.Event()
        self._num_written = 0
        try:
            for name, table in self._tables.items():
                self._images[name] = table.image(incremental=incremental)
        except BaseException:
            self.close()
            raise
        self.is_incremental = any(image.is_incremental for image in self._images.values())
        """Whether any table's files need those of the checkpoint before."""
        self.num_rows = sum(image.num_rows for image in self._images.values())
        self.digest = sum(image.digest for image in self._images.values()) % 2**64

    def write(self, folder: Path, vectors_folder: Path | None = None) -> None:
        """Write the files of every table into a folder, for `restore_table`; and those of vectors, for replicas, into another.

        `vectors_folder` needs a full image: ValueError otherwise. Raises OSError, SaveCancelled, MemoryError.
        """
        if vectors_folder is not None and self.is_incremental:
            raise ValueError("vectors_folder needs a full image, received an incremental one")
        for name in self._images:
            self._write_table(name, folder, vectors_folder)

    def _write_table(self, name: str, folder: Path, vectors_folder: Path | None) -> None:
        table, image = self._tables[name], self._images[name]
        with RowsWriter(folder / rows_file(name), RowShape.of(table)) as writer:
            if image.is_incremental:
                writer.write_gone(image.erased(), is_pending=False)
            writer.write_gone(image.pending_deletes(), is_pending=True)
            if vectors_folder is None:
                self._write_rows(image, writer)
            else:
                with VectorsWriter(vectors_folder / rows_file(name), table.dim) as vectors:
                    self._write_rows(image, writer, vectors)
        state = TableState(
            is_incremental=image.is_incremental,
            num_rows=image.num_rows,
            digest=image.digest,
            digest_precision=table.options.digest_precision,
            index_salt=table.index_salt,
            words=image.state_words(),
            candidates=image.candidates(),
        )
        save_state(state, folder / state_file(name))
        image.close()

    def _write_rows(self, image: TableImage, *writers: RowsWriter | VectorsWriter) -> None:
        for rows in image.rows(PIECE_ROWS):
            if self._is_cancelled.is_set():
                raise SaveCancelled("the save was cancelled")
            for writer in writers:
                writer.write(rows)
            self._num_written += len(rows)

    @property
    def num_written(self) -> int:
        """Rows written so far; of an incremental image fewer than `num_rows` will be."""
        return self._num_written

    def cancel(self) -> None:
        """Make `write` raise SaveCancelled at its next piece."""
        self._is_cancelled.set()

    def confirm(self) -> None:
        """The files are where a restore will find them, so that increments may build on them."""
        for image in self._images.values():
            image.confirm()

    def close(self) -> None:
        """End what was not written; a second time does nothing."""
        for image in self._images.values():
            image.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class BackgroundSave(Generic[Answer]):
    """A thread that runs `write(image)`, confirms the image when that answers, and closes it, whatever happens.

    `write` is the caller's, so that it can lay out, checksum and rename the folder; it calls `image.write`.
    """

    def __init__(self, image: StoreImage, write: Callable[[StoreImage], Answer]) -> None:
        self.image = image
        self._write = write
        self._outcome: Future[Answer] = Future()
        self._thread = threading.Thread(target=self._run, name="freshet-save")
        self._thread.start()

    def _run(self) -> None:
        try:
            with self.image:
                answer = self._write(self.image)
                self.image.confirm()
        except BaseException as error:
            self._outcome.set_exception(error)
        else:
            self._outcome.set_result(answer)

    @property
    def is_done(self) -> bool:
        """Whether `result` would answer at once."""
        return self._outcome.done()

    @property
    def progress(self) -> float:
        """The share of the tables' rows that were written, 0 to 1; an incremental save may end well below 1."""
        return self.image.num_written / self.image.num_rows if self.image.num_rows else float(self.is_done)

    def result(self, timeout_s: float | None = None) -> Answer:
        """What `write` answered, or raises what it raised; TimeoutError when it has not ended in time."""
        return self._outcome.result(timeout_s)

    def cancel(self) -> None:
        """Stop at the next piece and wait for the thread; `result` then raises SaveCancelled, unless it was already whole."""
        self.image.cancel()
        self._thread.join()
