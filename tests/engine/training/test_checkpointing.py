"""Checkpoints are written while training goes on, in chains, and what is restored is what was cut."""

from __future__ import annotations

import logging
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest

from engine.checkpoint.folder import newest_chain, newest_folder
from engine.checkpoint.manifest import MANIFEST_NAME, describe_files, read_manifest
from engine.embedding.store import EmbeddingStore
from engine.errors import LeaseLost
from engine.spec.definition import ModelDefinition
from engine.training.checkpoint_writer import FULL_EVERY, CheckpointWriter
from engine.training.state import CHECKPOINTS, TrainingState
from tests.engine.training.made import as_logged, make_definition, make_examples, salted, with_rules

NUM = 64 * 24
EXAMPLES = make_examples(NUM, origin="action", num_items=200)
# An example a second: ids of items come and go, users must come a dozen times, devices are drawn for, and the tables are small.
RULES: dict[str, dict[str, Any]] = {
    "user_id": {"admission": {"kind": "min_count", "min_count": 12, "window_s": 300}, "expiry": {"ttl_s": 15}},
    "item_id": {"expiry": {"ttl_s": 90}},
    "topic": {"admission": {"kind": "probability", "probability": 0.2}},
}


def ruled() -> ModelDefinition:
    return with_rules(make_definition("deepfm"), RULES, sparse_optimizer={"kind": "adam", "learning_rate": 0.02})


def new_state(definition: ModelDefinition) -> TrainingState:
    return TrainingState(definition, wall_clock=lambda: 1e6, store=salted(definition))


def restored(definition: ModelDefinition, directory: Path) -> TrainingState:
    return TrainingState.restore(definition, directory, wall_clock=lambda: 1e6)


def learn(state: TrainingState, start: int, end: int) -> TrainingState:
    for first in range(start, end, 64):
        state.learn(as_logged(EXAMPLES[first : first + 64], first))
    return state


def rows_of(store: EmbeddingStore) -> dict[tuple[str, int], tuple[Any, ...]]:
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for name, table in store.tables.items():
        for rows in table.rows():
            parts = (rows.slots, rows.seen_at_s, rows.counts, rows.touched)
            for i, fid in enumerate(rows.fids.tolist()):
                held = (rows.vectors[i].tobytes(), rows.states[i].tobytes() if rows.states is not None else b"")
                found[name, fid] = (*(int(part[i]) for part in parts if part is not None), *held)
    return found


def assert_same(one: TrainingState, other: TrainingState) -> None:
    """To the bit: rows with their state, stamps and counts; candidates, counters and hands; weights, moments and the rest."""
    assert rows_of(one.store) == rows_of(other.store)
    for name, table in one.store.tables.items():
        twin = other.store.tables[name]
        np.testing.assert_array_equal(table.state_words(), twin.state_words())
        np.testing.assert_array_equal(table.pending_deletes(), twin.pending_deletes())
        assert _counted(table.candidates()) == _counted(twin.candidates())
        assert table.digest() == twin.digest()
    for name, weight in one.architecture.dense_weights().items():
        np.testing.assert_array_equal(other.architecture.dense_weights()[name], weight)
    for name, moment in one.dense_optimizer.state().items():
        np.testing.assert_array_equal(other.dense_optimizer.state()[name], moment)
    assert one.progress == other.progress
    assert one.event_clock.to_json() == other.event_clock.to_json()
    assert one.metrics.as_json() == other.metrics.as_json()
    assert one.metrics.windows() == other.metrics.windows()
    assert one.catalogue.to_arrow().equals(other.catalogue.to_arrow())
    np.testing.assert_array_equal(one.pool.recent(), other.pool.recent())


def _counted(candidates: Any) -> dict[int, tuple[int, ...]]:
    parts = (candidates.slots, candidates.counts, candidates.since_s)
    return {fid: tuple(int(part[i]) for part in parts) for i, fid in enumerate(candidates.fids.tolist())}


def writer_of(state: TrainingState, directory: Path, **options: Any) -> CheckpointWriter:
    now_ms = iter(range(1, 10_000))
    return CheckpointWriter(state, directory, **{"clock_ms": lambda: next(now_ms), "fence": lambda: None, **options})


def test_restore_and_replay_equal_a_run_that_never_stopped_with_admission_and_expiry(tmp_path: Path) -> None:
    definition = ruled()
    whole = learn(new_state(definition), 0, NUM)
    counters = whole.table_metrics()
    assert min(counters["num_expired"], counters["num_turned_away"], counters["num_candidates"]) > 0, (
        "rules were at work"
    )
    part = new_state(definition)
    writer = writer_of(part, tmp_path)
    for start in range(0, 64 * 13, 64):
        learn(part, start, start + 64)
        writer.begin()
    writer.wait()
    chain = newest_chain(tmp_path / CHECKPOINTS)
    assert chain is not None and len(chain) == 5, "a full one and four that build on it"
    assert_same(learn(restored(definition, tmp_path), 64 * 13, NUM), whole)


def test_checkpoint_is_the_state_at_the_cut_whatever_is_learned_while_it_is_written(tmp_path: Path) -> None:
    definition = ruled()
    state = learn(new_state(definition), 0, 512)
    for number, incremental in enumerate((False, True)):
        end = 512 + 256 * number
        at_cut = learn(new_state(definition), 0, end)
        if incremental:
            # what was published is no longer touched, in both
            for each in (state, at_cut):
                for table in each.store.tables.values():
                    table.forget_touched()
        cut = state.cut(number, after=newest_folder(tmp_path / CHECKPOINTS) if incremental else None)
        assert cut.is_full != incremental
        learn(state, end, end + 256)
        cut.write(tmp_path, lambda: None)
        assert_same(restored(definition, tmp_path), at_cut)


def test_training_does_not_wait_for_a_checkpoint(tmp_path: Path) -> None:
    state = learn(TrainingState(make_definition("deepfm")), 0, 64)
    may_end = threading.Event()
    num_fences = 0

    def fence() -> None:
        nonlocal num_fences
        num_fences += 1
        if (
            num_fences == 2
        ):  # the first is asked at the beginning, the second in the thread, before the folder gets its name
            may_end.wait(60)

    writer = writer_of(state, tmp_path, fence=fence)
    writer.begin()
    learn(state, 64, 128)
    assert writer.is_writing
    assert newest_folder(tmp_path / CHECKPOINTS) is None
    may_end.set()
    writer.wait()
    assert (writer.examples_saved, state.progress.num_examples) == (64, 128)
    assert restored(state.definition, tmp_path).progress.num_examples == 64


def test_one_checkpoint_in_so_many_is_full_and_all_are_kept_that_are_built_on(tmp_path: Path) -> None:
    state = TrainingState(make_definition("deepfm"))
    writer = writer_of(state, tmp_path)
    builds_on = []
    for number in range(FULL_EVERY + 2):
        learn(state, 64 * number, 64 * (number + 1))
        writer.begin()
        written = writer.wait()
        assert written is not None
        builds_on.append(read_manifest(written.checkpoint).previous is not None)
    assert builds_on == [False, *[True] * (FULL_EVERY - 1), False, True]
    assert restored(state.definition, tmp_path).progress == state.progress


def test_what_a_writer_failed_with_is_raised_once_and_the_next_is_full(tmp_path: Path) -> None:
    state = learn(TrainingState(make_definition("deepfm")), 0, 64)
    is_lost = False

    def fence() -> None:
        if is_lost and threading.current_thread() is not threading.main_thread():
            raise LeaseLost("the lease went to another holder")

    writer = writer_of(state, tmp_path, fence=fence)
    writer.begin()
    writer.wait()
    first = newest_folder(tmp_path / CHECKPOINTS)
    learn(state, 64, 128)
    is_lost = True
    writer.begin()
    with pytest.raises(LeaseLost):
        writer.wait()
    writer.wait()
    assert (newest_folder(tmp_path / CHECKPOINTS), writer.examples_saved) == (first, 64)
    is_lost = False
    writer.begin()
    written = writer.wait()
    assert written is not None and read_manifest(written.checkpoint).previous is None
    assert restored(state.definition, tmp_path).progress.num_examples == 128


def test_abandoned_checkpoint_leaves_the_one_before(tmp_path: Path) -> None:
    state = learn(TrainingState(make_definition("deepfm")), 0, 64)
    state.save(tmp_path, 1)
    cut = learn(state, 64, 128).cut(2)
    cut.tables.cancel()
    with pytest.raises(Exception, match="cancelled"):
        cut.write(tmp_path, lambda: None)
    assert [path.name[:15] for path in (tmp_path / CHECKPOINTS).iterdir()] == [f"{64:015d}"]
    learn(state, 128, 192).save(tmp_path, 3)
    assert restored(state.definition, tmp_path).progress.num_examples == 192


def test_cut_builds_on_nothing_but_the_last_one(tmp_path: Path) -> None:
    state = learn(TrainingState(make_definition("deepfm")), 0, 64)
    first = state.save(tmp_path, 1)
    learn(state, 64, 128).save(tmp_path, 2)
    with pytest.raises(ValueError, match="after must be the last cut"):
        state.cut(3, after=first)


def test_every_file_that_is_cut_short_or_altered_is_named_and_the_checkpoint_before_is_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    definition = make_definition("deepfm")
    state = learn(TrainingState(definition), 0, 64)
    before = state.save(tmp_path, 1)
    newest = learn(state, 64, 128).cut(2, after=before).write(tmp_path, lambda: None).checkpoint
    rng = np.random.default_rng(3)
    for path in sorted(newest.iterdir()):
        whole = path.read_bytes()
        places = rng.integers(0, len(whole), 12).tolist()
        for damaged in [whole[:place] for place in places] + [_flipped(whole, place) for place in places]:
            path.write_bytes(damaged)
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                assert newest_folder(tmp_path / CHECKPOINTS) == before
            assert str(path) in caplog.text
        path.write_bytes(whole)
    assert newest_folder(tmp_path / CHECKPOINTS) == newest


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_checkpoint_of_the_first_format_still_restores(tmp_path: Path) -> None:
    definition = make_definition("deepfm")
    state = learn(TrainingState(definition, store=salted(definition)), 0, 256)
    folder = state.save(tmp_path, 1)
    _make_older(folder)
    again = learn(TrainingState.restore(definition, tmp_path), 256, 512)
    whole = learn(TrainingState(definition), 0, 512)
    assert again.store.digest() == whole.store.digest()
    assert again.store.num_touched == whole.store.num_touched
    assert again.event_clock.now_s == whole.event_clock.now_s


def _make_older(folder: Path) -> None:
    """Turn a checkpoint into what Freshet wrote before tables had stamps, as its documentation said."""
    for path in folder.glob("dim*.state.arrow"):
        path.unlink()
    for path in folder.glob("dim*.arrow"):
        with pa.OSFile(str(path), "rb") as source:
            table = pa.ipc.open_file(source).read_all()
        old = table.select(["fid", "slot", "vector", "state", "touched"])
        kinds = [field.with_name("accumulator") if field.name == "state" else field for field in old.schema]
        schema = pa.schema(kinds, metadata={b"format": b"freshet.table/1"})
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(pa.table(old.columns, schema=schema))
    counters = orjson.loads((folder / "progress.json").read_bytes())
    del counters["event_clock"]
    (folder / "progress.json").write_bytes(orjson.dumps(counters))
    meta = read_manifest(folder).meta
    del meta["format"]
    document = {"format": 1, "meta": meta, "files": describe_files(folder)}
    (folder / MANIFEST_NAME).write_bytes(orjson.dumps(document))


def test_checkpoint_of_a_later_format_is_refused(tmp_path: Path) -> None:
    definition = make_definition("deepfm")
    folder = TrainingState(definition).save(tmp_path, 1)
    meta = read_manifest(folder).meta | {"format": 3}
    (folder / MANIFEST_NAME).write_bytes(orjson.dumps({"format": 1, "meta": meta, "files": describe_files(folder)}))
    with pytest.raises(Exception, match="a later Freshet wrote it"):
        TrainingState.restore(definition, tmp_path)
    shutil.rmtree(folder)
