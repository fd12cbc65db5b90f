"""A run of a new version goes on from a checkpoint of the last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import CorruptRecord, InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.training.evolution import Evolved, evolve
from engine.training.state import TrainingState
from tests.engine.training.made import as_logged, make_definition, make_examples

OLD = make_definition("deepfm")
EXAMPLES = make_examples(256)


def learned(definition: ModelDefinition = OLD, state: TrainingState | None = None) -> TrainingState:
    state = state or TrainingState(definition, wall_clock=lambda: 1e6)
    for start in range(0, 256, 64):
        state.learn(as_logged(EXAMPLES[start : start + 64], start))
    return state


@pytest.fixture(scope="module")
def old() -> TrainingState:
    return learned()


@pytest.fixture(scope="module")
def folder(old: TrainingState, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return old.save(tmp_path_factory.mktemp("old"), 1)


def changed(slots: dict[str, dict[str, Any] | None] | None = None, **more: Any) -> ModelDefinition:
    """The old definition with changed, removed (None) or further slots, and other fields."""
    document = OLD.as_json()
    by_name = {slot["name"]: slot for slot in document["slots"]}
    for name, change in (slots or {}).items():
        if change is None:
            del by_name[name]
        else:
            by_name[name] = {**by_name.get(name, {"name": name, "dim": 8}), **change}
    return ModelDefinition.parse(document | {"slots": list(by_name.values())} | more)


def evolved(definition: ModelDefinition, folder: Path, **options: Any) -> Evolved:
    return evolve(definition, folder, wall_clock=lambda: 1e6, **options)


def rows_of(state: TrainingState) -> dict[int, dict[int, tuple[bytes, ...]]]:
    """By slot number and FID: what a row holds but whether it is touched."""
    found: dict[int, dict[int, tuple[bytes, ...]]] = {}
    for table in state.store.tables.values():
        for rows in table.rows():
            for i, (fid, slot) in enumerate(zip(rows.fids.tolist(), rows.slots.tolist(), strict=True)):
                parts = (rows.vectors, rows.states, rows.seen_at_s, rows.counts)
                found.setdefault(slot, {})[fid] = tuple(part[i].tobytes() for part in parts if part is not None)
    return found


def test_the_same_definition_goes_on_to_the_bit(old: TrainingState, folder: Path) -> None:
    result = evolved(OLD, folder)
    assert rows_of(result.state) == rows_of(old)
    assert result.report.new_weights == () and result.report.keeps_row_state
    ahead, through = learned(state=result.state), learned(state=TrainingState.open(OLD, folder, wall_clock=lambda: 1e6))
    assert ahead.store.digest() == through.store.digest()
    for name, weight in through.architecture.dense_weights().items():
        np.testing.assert_array_equal(ahead.architecture.dense_weights()[name], weight, err_msg=name)


def test_a_slot_more_keeps_the_rows_of_the_others(old: TrainingState, folder: Path) -> None:
    new = changed({"hour": {"number": 9, "source": "event.hour"}})
    result = evolved(new, folder)
    assert rows_of(result.state) == rows_of(old)
    sizes = {number: len(rows) for number, rows in rows_of(old).items()}
    assert result.report.num_rows == {"user_id": sizes[1], "item_id": sizes[2], "topic": sizes[4], "device": sizes[5]}
    assert "slot hour: added" in result.report.lines()
    assert learned(new, result.state).store.num_rows >= old.store.num_rows


def test_a_removed_slot_leaves_its_rows_behind(old: TrainingState, folder: Path) -> None:
    result = evolved(changed({"topic": None}), folder)
    assert rows_of(result.state) == {number: rows for number, rows in rows_of(old).items() if number != 4}
    assert "slot topic: removed" in result.report.lines()


def test_a_changed_dim_is_refused_with_the_reason(folder: Path) -> None:
    new = changed({"topic": {"dim": 4}}, architecture={"kind": "dcn_v2"})
    with pytest.raises(InvalidDocument, match="dim changed from 8 to 4"):
        evolved(new, folder)


def test_a_changed_dim_starts_its_slot_anew_where_the_user_chose_so(old: TrainingState, folder: Path) -> None:
    training = OLD.training.as_json() | {"on_changed_slot": "restart"}
    new = changed({"topic": {"dim": 4}}, architecture={"kind": "dcn_v2"}, training=training)
    result = evolved(new, folder)
    assert rows_of(result.state) == {number: rows for number, rows in rows_of(old).items() if number != 4}
    assert result.state.store.tables.keys() == {"dim4", "dim8"}
    assert "slot topic: changed (dim changed from 8 to 4), begins anew" in result.report.lines()
    learned(new, result.state)
    assert 4 in rows_of(result.state)


def test_every_row_is_published_to_the_new_versions_replicas(old: TrainingState, folder: Path) -> None:
    assert evolved(OLD, folder).state.store.num_touched == old.store.num_rows


def test_weights_that_still_fit_go_on_and_the_report_says_which(old: TrainingState, folder: Path) -> None:
    result = evolved(changed({"hour": {"number": 9, "source": "event.hour"}}), folder)
    weights, before = result.state.architecture.dense_weights(), old.architecture.dense_weights()
    assert {"hidden_0/kernel", "first_order/kernel"} <= set(result.report.new_weights)
    assert {"hidden_0/bias", "hidden_1/kernel", "output/kernel"} <= set(result.report.kept_weights)
    for name in result.report.kept_weights:
        np.testing.assert_array_equal(weights[name], before[name], err_msg=name)
    moments, saved = result.state.dense_optimizer.state(), old.dense_optimizer.state()
    assert not any(moments[name].any() for name in moments if name.startswith("hidden_0/kernel/"))
    kept_moments = [name for name in moments if name.startswith("hidden_1/kernel/")]
    assert kept_moments
    for name in kept_moments:
        np.testing.assert_array_equal(moments[name], saved[name])
    assert result.state.dense_optimizer.num_steps == old.dense_optimizer.num_steps


def test_a_weight_whose_shape_fits_by_chance_begins_anew(folder: Path) -> None:
    """One slot gone and another come, of one dim: the width is as before, but its places mean other inputs."""
    new = changed({"device": None, "hour": {"number": 9, "source": "event.hour"}})
    report = evolved(new, folder).report
    assert {"hidden_0/kernel", "first_order/kernel"} <= set(report.new_weights)
    assert {"hidden_0/bias", "hidden_1/kernel"} <= set(report.kept_weights)


def test_a_task_more_begins_what_leads_to_the_tasks_anew(folder: Path) -> None:
    tasks = [{"name": "click", "event_type": "click"}, {"name": "buy", "event_type": "buy"}]
    report = evolved(changed(tasks=tasks), folder).report
    assert {"output/kernel", "first_order/kernel"} <= set(report.new_weights)
    assert {"hidden_0/kernel", "hidden_1/kernel"} <= set(report.kept_weights)


def test_another_sparse_optimizer_keeps_vectors_and_begins_their_state_anew(old: TrainingState, folder: Path) -> None:
    result = evolved(changed(sparse_optimizer={"kind": "adam", "learning_rate": 0.01}), folder)
    vectors = {fid: row[0] for rows in rows_of(result.state).values() for fid, row in rows.items()}
    assert vectors == {fid: row[0] for rows in rows_of(old).values() for fid, row in rows.items()}
    assert not result.report.keeps_row_state
    assert result.report.lines()[-1] == "the rows' optimizer state begins anew"


def test_what_was_seen_of_the_data_goes_on_and_so_does_the_place_in_the_log(old: TrainingState, folder: Path) -> None:
    new = changed({"topic": None})
    state = evolved(new, folder).state
    assert len(state.catalogue) == len(old.catalogue)
    assert state.pool.recent().tolist() == old.pool.recent().tolist()
    assert state.event_clock.now_s == old.event_clock.now_s
    assert state.progress.examples == {0: 256}
    assert evolved(new, folder, keep_progress=False).state.progress.examples == {}


def test_waiting_candidates_of_kept_slots_go_on(tmp_path: Path) -> None:
    waiting = {"number": 1, "source": "user.id", "admission": {"kind": "min_count", "min_count": 1000}}
    before = learned(changed({"user_id": waiting}))
    folder = before.save(tmp_path, 1)
    result = evolved(changed({"user_id": waiting, "topic": None}), folder)
    (now,), (then,) = (
        [sorted(zip(c.fids.tolist(), c.counts.tolist(), strict=True)) for c in (table.candidates(),)]
        for table in (result.state.store.tables["dim8"], before.store.tables["dim8"])
    )
    assert now == then and len(now) > 0


def test_running_statistics_of_inputs_that_are_the_same_go_on(tmp_path: Path) -> None:
    age = {"name": "age", "source": "user.age", "transform": "standardise"}
    price = {"name": "price", "source": "item.price", "transform": "standardise"}
    before = learned(changed(dense=[age, price]))
    folder = before.save(tmp_path, 1)
    now = evolved(changed(dense=[price | {"source": "item.cost"}, age]), folder).state.architecture.dense_weights()
    then = before.architecture.dense_weights()
    np.testing.assert_array_equal(now["statistics/age"], then["statistics/age"])
    np.testing.assert_array_equal(now["statistics/price"], [[0.0], [0.0]])


def test_a_retrieval_model_evolves_too(tmp_path: Path) -> None:
    before = learned(make_definition("two_tower"))
    document = before.definition.as_json()
    document["slots"] = [slot for slot in document["slots"] if slot["name"] != "topic"]
    report = evolved(ModelDefinition.parse(document), before.save(tmp_path, 1)).report
    assert "item_hidden_0/kernel" in report.new_weights


def test_a_damaged_checkpoint_is_refused(tmp_path: Path, old: TrainingState) -> None:
    folder = old.save(tmp_path, 1)
    (folder / "dim8.arrow").write_bytes(b"")
    with pytest.raises(CorruptRecord):
        evolved(OLD, folder)
