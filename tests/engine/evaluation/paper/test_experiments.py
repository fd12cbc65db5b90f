"""The paper's experiments, on rows whose structure is known."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import InvalidDocument
from engine.evaluation.auc import auc
from engine.evaluation.paper.collisions import CollisionPlan, evaluate_collisions, hashed
from engine.evaluation.paper.labelled import LabelledRows, Learner, labelled_definition
from engine.evaluation.paper.reading import read_labelled, read_rated, with_drawn_negatives
from engine.evaluation.paper.sync_interval import SyncPlan, evaluate_sync_intervals
from engine.evaluation.plots import plot_curves
from tests.engine.evaluation.replay.small_log import generated_log


def _rows(num_rows: int = 3000, seed: int = 0, *, turning: bool = False) -> LabelledRows:
    """A label is likely when user and item are of one kind; when `turning`, after half of the rows it is unlikely then."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(60, size=num_rows), rng.integers(40, size=num_rows)
    same = users % 2 == items % 2
    if turning:
        same = same ^ (np.arange(num_rows) >= num_rows * 0.55)
    labels = (rng.random(num_rows) < np.where(same, 0.9, 0.1)).astype(np.float32)
    columns = {"user.id": pa.array(users.astype(str)), "item.id": pa.array(items.astype(str))}
    return LabelledRows(columns, labels)


def test_hashing_loses_as_many_ids_as_the_paper_counted() -> None:
    # table 1: 162,541 users become 149,970 and 59,047 films 57,361
    columns = {
        "user.id": pa.array([str(number) for number in range(162_541)]),
        "item.id": pa.array([str(number % 59_047) for number in range(162_541)]),
    }
    seen = hashed(LabelledRows(columns, np.zeros(162_541, np.float32)), 1_000_000)
    assert len(seen.columns["user.id"].unique()) == 149_970
    assert len(seen.columns["item.id"].unique()) == 57_361


def test_a_learner_learns_and_its_scores_are_of_now() -> None:
    rows = _rows()
    learner = Learner(rows, labelled_definition(rows, dim=8, hidden=[8], batch_size=128, seed=1))
    places = np.arange(len(rows))
    before = auc(learner.scores(places), rows.labels)
    for _ in range(5):
        learner.learn(places[:2000])
    after = auc(learner.scores(places[2000:]), rows.labels[2000:])
    assert before is not None
    assert after is not None
    assert before < 0.6 < 0.8 < after


def test_ids_hashed_into_few_places_lose_to_ids_of_their_own() -> None:
    told: list[tuple[str, int, int]] = []
    plan = CollisionPlan(spaces=[5], seeds=[1, 2], num_epochs=4, dim=8, hidden=[8], batch_size=128)
    findings = evaluate_collisions(_rows(), plan, lambda *progress: told.append(progress))
    curves: Any = findings.values["curves"]
    assert list(curves) == ["collisionless", "hashed into 5"]
    assert np.array(curves["collisionless"]).shape == (2, 4)
    assert np.array(curves["collisionless"])[:, -1].mean() > np.array(curves["hashed into 5"])[:, -1].mean() + 0.05
    assert sum(num for _, num, _ in told) == 16


def test_a_model_that_follows_the_stream_beats_one_that_stands_still_when_the_world_turns() -> None:
    plan = SyncPlan(shards=[2, 6], seeds=[1, 2], batch_share=0.5, dim=8, hidden=[8], batch_size=64)
    findings = evaluate_sync_intervals(_rows(6000, turning=True), plan)
    values: Any = findings.values
    for num in (2, 6):
        assert values[f"online_auc_{num}"] > values[f"frozen_auc_{num}"]
    assert values["online_auc_6"] > values["online_auc_2"]
    assert np.array(values["auc_by_shard"]["online"]).shape == (2, 2)


def test_ratings_are_labels_from_the_threshold_on(tmp_path: Path) -> None:
    path = tmp_path / "ratings"
    path.write_text("1\t7\t5\t20\n2\t8\t3\t10\n")
    header = ["user", "item", "rating", "timestamp"]
    rows = read_rated(
        path, user="user", item="item", rating="rating", threshold=3.5, time="timestamp", delimiter="\t", header=header
    )
    assert rows.labels.tolist() == [0, 1]
    assert rows.columns["user.id"].to_pylist() == ["2", "1"]
    with pytest.raises(InvalidDocument, match="positive in some rows"):
        read_rated(
            path, user="user", item="item", rating="rating", threshold=9, time=None, delimiter="\t", header=header
        )


def test_any_table_is_read_with_its_categories_and_numbers(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("label,I1,C1\n0,3,a\n1,,b\n0,1,\n")
    rows = read_labelled(path, label="label", ids=["C1"], numbers=["I1"], time=None, delimiter=",", header=None)
    assert rows.ids == ["event.c1"]
    assert rows.numbers == ["event.i1"]
    learner = Learner(rows, labelled_definition(rows, dim=4, hidden=[], batch_size=2, seed=0))
    learner.learn(np.arange(3))
    assert np.isfinite(learner.scores(np.arange(3))).all()


def test_drawn_negatives_were_clicked_lately_and_are_not_the_clicked_item() -> None:
    log = generated_log(2000)
    rows = with_drawn_negatives(log, 3, seed=0)
    assert 0.24 < rows.labels.mean() < 0.32
    items, users = rows.columns["item.id"].to_pylist(), rows.columns["user.id"].to_pylist()
    starts = np.flatnonzero(rows.labels == 1)
    for start, end in pairwise(starts[:201]):
        assert items[start] not in items[start + 1 : end]
        assert set(users[start:end]) == {users[start]}


def test_a_plot_is_a_picture(tmp_path: Path) -> None:
    curves = {"one": [[0.5, 0.6], [0.52, 0.61]]}
    path = plot_curves(tmp_path / "sub" / "a.png", curves, title="t", across="x", upward="y")
    assert path.read_bytes().startswith(b"\x89PNG")
