"""A save beside training is one moment of the tables, and what goes wrong in its thread is told to who asks for the result."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from engine.embedding.options import TableOptions
from engine.embedding.serving_table import ServingTable
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_file import load_vectors
from engine.embedding.table_restore import restore_table, rows_file
from engine.embedding.table_saver import BackgroundSave, StoreImage
from engine.errors import CorruptRecord, SaveCancelled

NUM_ROWS = 200_000
FIDS = np.arange(NUM_ROWS, dtype=np.uint64)
SLOTS = np.ones(NUM_ROWS, np.uint16)


def tables() -> dict[str, EmbeddingTable]:
    made = {f"dim{dim}": EmbeddingTable(TableOptions(dim, 3)) for dim in (2, 4)}
    for table in made.values():
        table.lookup_or_create(FIDS, SLOTS, 1)
    return made


def train(table: EmbeddingTable, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fids = rng.integers(0, NUM_ROWS * 2, 5000, np.uint64)
    batch = table.sight(fids, np.ones(5000, np.uint16), seed)
    table.apply(batch, rng.normal(size=(batch.num_unique, table.dim)).astype(np.float32), 0.1)
    table.erase(fids[:200])


@pytest.mark.parametrize("incremental", [False, True])
def test_a_save_beside_training_is_one_moment(tmp_path: Path, incremental: bool) -> None:
    store, folders = tables(), []
    for number in range(3):
        image = StoreImage(store, incremental=incremental)
        digests = {name: table.digest() for name, table in store.items()}
        folder = tmp_path / str(number)
        folder.mkdir()
        save = BackgroundSave(image, lambda image, folder=folder: image.write(folder))  # type: ignore[misc]
        seed = 1
        while not save.is_done or seed < 10:
            for table in store.values():
                train(table, seed)
            seed += 1
        save.result()
        assert image.is_incremental == (incremental and number > 0)
        assert image.digest == sum(digests.values()) % 2**64
        folders.append(folder)
        for name, table in store.items():
            restored = restore_table(table.options, folders, name)
            assert restored.digest() == digests[name] == restored.computed_digest()


def test_vectors_for_replicas_are_written_in_the_same_pass(tmp_path: Path) -> None:
    store = tables()
    (tmp_path / "vectors").mkdir()
    with StoreImage(store, incremental=False) as image:
        image.write(tmp_path, tmp_path / "vectors")
        image.confirm()
    replica = ServingTable(2)
    load_vectors(replica, tmp_path / "vectors" / rows_file("dim2"))
    assert replica.digest() == store["dim2"].digest()
    with (
        StoreImage(store, incremental=True) as image,
        pytest.raises(ValueError, match="vectors_folder needs a full image"),
    ):
        image.write(tmp_path, tmp_path / "vectors")


def test_an_error_of_the_thread_is_the_result_s_and_the_next_save_is_full(tmp_path: Path) -> None:
    store = tables()
    save = BackgroundSave(StoreImage(store, incremental=False), lambda image: image.write(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError):
        save.result(60)
    with StoreImage(store, incremental=True) as image:
        assert not image.is_incremental


def test_an_increment_builds_on_no_save_that_was_not_confirmed(tmp_path: Path) -> None:
    store = tables()
    with StoreImage(store, incremental=False) as image:
        image.write(tmp_path)  # and then the disk fails before the folder is renamed
    with StoreImage(store, incremental=True) as image:
        assert not image.is_incremental
        image.write(tmp_path)
        image.confirm()
    with StoreImage(store, incremental=True) as image:
        assert image.is_incremental


def test_a_cancelled_save_stops_and_leaves_no_file_that_would_load(tmp_path: Path) -> None:
    store = tables()
    image = StoreImage(store, incremental=False)
    has_begun, go_on = threading.Event(), threading.Event()

    def write(image: StoreImage) -> None:
        has_begun.set()
        go_on.wait(60)
        image.write(tmp_path)

    save = BackgroundSave(image, write)
    assert has_begun.wait(60)
    assert not save.is_done
    with pytest.raises(TimeoutError):
        save.result(0)
    image.cancel()
    go_on.set()
    save.cancel()
    with pytest.raises(SaveCancelled):
        save.result()
    with pytest.raises(CorruptRecord, match=r"dim2\.arrow is damaged"):
        load_vectors(ServingTable(2), tmp_path / rows_file("dim2"))


def test_progress_ends_at_one(tmp_path: Path) -> None:
    image = StoreImage(tables(), incremental=False)
    assert image.num_rows == 2 * NUM_ROWS
    save = BackgroundSave(image, lambda image: image.write(tmp_path))
    save.result(60)
    assert save.progress == 1.0


def test_a_table_has_one_image_at_a_time() -> None:
    store = tables()
    with StoreImage(store, incremental=False):
        others = {"dim9": EmbeddingTable(TableOptions(9)), **store}
        with pytest.raises(RuntimeError, match="already has a checkpoint"):
            StoreImage(others, incremental=False)
        others["dim9"].image(incremental=False).close()
    StoreImage(store, incremental=False).close()


def test_an_image_that_was_closed_says_so() -> None:
    image = EmbeddingTable(TableOptions(2)).image(incremental=False)
    image.close()
    image.close()
    with pytest.raises(RuntimeError, match="the checkpoint is closed"):
        next(image.rows())


def test_an_image_keeps_its_table_alive() -> None:
    image = EmbeddingTable(TableOptions(2)).image(incremental=False)
    assert list(image.rows()) == []
