"""A process that trains a table and writes checkpoints beside it, until it is killed: `python -m ... <folder>`.

What it does is a function of the step alone, so that anybody can tell what a checkpoint has to hold.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from engine.checkpoint.folder import newest_chain, write_folder
from engine.embedding.options import SlotRule, TableOptions
from engine.embedding.table import EmbeddingTable
from engine.embedding.table_restore import restore_table
from engine.embedding.table_saver import BackgroundSave, StoreImage
from engine.spec.slot import AdmitMinCount, Expiry

NAME = "dim8"
OPTIONS = TableOptions(8, seed=3, rules=(SlotRule(1, AdmitMinCount(min_count=2), Expiry(ttl_s=40)),))
FULL_EVERY = 4


def new_table() -> EmbeddingTable:
    return EmbeddingTable(OPTIONS, index_salt=5)


def take_step(table: EmbeddingTable, step: int) -> None:
    """A batch of 2,000 ids, a second of event time."""
    rng = np.random.default_rng(step)
    fids = rng.zipf(1.2, 2_000).astype(np.uint64)
    batch = table.sight(fids, np.ones(len(fids), np.uint16), step)
    table.apply(batch, rng.normal(size=(batch.num_unique, 8)).astype(np.float32), 0.1)
    table.expire(step, 4_096)


def restored(folder: Path) -> tuple[EmbeddingTable, int]:
    """The table of the newest checkpoint and the step that comes next."""
    chain = newest_chain(folder)
    if chain is None:
        return new_table(), 0
    return restore_table(OPTIONS, [manifest.folder for manifest in chain], NAME), int(chain[-1].meta["step"]) + 1


def main(folder: Path) -> None:
    table, step = restored(folder)
    previous: Path | None = None
    for number in range(1_000_000):
        take_step(table, step)
        image = StoreImage({NAME: table}, incremental=previous is not None and number % FULL_EVERY != 0)
        base, name = previous if image.is_incremental else None, f"{step:09d}"
        meta = {"step": step}

        def write(image: StoreImage, name: str = name, base: Path | None = base, meta: dict[str, int] = meta) -> Path:
            return write_folder(folder, name, image.write, meta, previous=base)

        save = BackgroundSave(image, write)
        step += 1
        while not save.is_done:  # training goes on
            take_step(table, step)
            step += 1
        previous = save.result()
        print(step, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
