"""What a ranker says of candidates is what training would say of them, whatever happens to items and parameters meanwhile."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from engine.errors import EngineError
from engine.features.encoded import FloatArray
from engine.retrieval.item_rows import QUARANTINE_S
from engine.spec.definition import ModelDefinition, Slot
from engine.spec.event import CatalogChange
from tests.engine.features import every_kind
from tests.engine.models.definitions import definition_of
from tests.engine.ranking.scenes import Scene, item

EVERY_KIND = {"records": {"kind": "deepfm", "hidden": [8]}, "tensorflow": {"kind": "autoint", "hidden": [8]}}
WITHOUT_RECORDS = ("xdeepfm", "autoint", "din", "matrix_factorisation", "two_tower")

either_way = pytest.mark.parametrize("way", EVERY_KIND)


def scene_of(way: str) -> Scene:
    return Scene(every_kind.definition(architecture=EVERY_KIND[way]))


def same(found: FloatArray, expected: FloatArray) -> None:
    assert found.shape == expected.shape and found.std() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@either_way
def test_every_kind_of_input_scores_as_in_training(way: str) -> None:
    scene = scene_of(way)
    assert scene.predictor.takes_records is (way == "records")
    assert scene.ranker.reads_counters
    counters = scene.counters(len(scene.rows))
    same(scene.ranker.rank(scene.asker, scene.rows, counters).scores, scene.expected(counters))
    same(scene.ranker.rank(scene.asker, scene.rows).scores, scene.expected())


@pytest.mark.parametrize("kind", WITHOUT_RECORDS)
def test_architectures_that_take_no_records_score_as_in_training(kind: str) -> None:
    scene = Scene(definition_of(kind))
    ranked = scene.ranker.rank(scene.asker, scene.rows)
    same(ranked.scores, scene.expected())
    np.testing.assert_array_equal(ranked.by_task[:, 0], ranked.scores)


def test_each_task_is_told_beside_the_score_that_they_make() -> None:
    tasks = [{"name": "click", "event_type": "click"}, {"name": "buy", "event_type": "purchase"}]
    definition = definition_of("mmoe", tasks=tasks)
    score = {"kind": "sum", "weights": {"click": 0.25, "buy": 4.0}}
    scene = Scene(ModelDefinition.parse(definition.model_dump(mode="json") | {"score": score}))
    ranked = scene.ranker.rank(scene.asker, scene.rows)
    assert ranked.by_task.shape == (len(scene.rows), 2)
    np.testing.assert_allclose(ranked.scores, ranked.by_task @ np.array([0.25, 4.0], np.float32), rtol=1e-6)
    same(ranked.scores, scene.expected())


def test_no_candidates_have_no_scores() -> None:
    scene = Scene(definition_of("deepfm"))
    ranked = scene.ranker.rank(scene.asker, np.empty(0, np.int32))
    assert ranked.scores.shape == (0,) and ranked.by_task.shape == (0, 1)


@either_way
def test_written_deleted_and_reused_rows_are_scored_as_they_are_now(way: str) -> None:
    scene = scene_of(way)
    while scene.ranker.refresh(7):
        continue
    examples = every_kind.examples(50, seed=9)
    scene.apply(*(item(f"item-{number}", examples[number].item) for number in range(0, 40, 3)))
    same(scene.ranker.rank(scene.asker, scene.rows).scores, scene.expected())
    gone = scene.catalogue.row_of("item-5")
    scene.apply(CatalogChange("item", "item-5", deleted=True))
    scene.clock.now_s += QUARANTINE_S
    scene.apply(item("another", examples[41].item))
    assert scene.catalogue.row_of("another") == gone
    same(scene.ranker.rank(scene.asker, scene.rows).scores, scene.expected())


@either_way
def test_parameters_swapped_while_threads_score_are_all_old_or_all_new(way: str) -> None:
    scene = scene_of(way)
    versions = [(scene.store(), scene.weights()) for _ in range(2)]
    rows, known = scene.rows, []
    for store, weights in versions:
        scene.predictor.replace(store, weights)
        known.append(scene.ranker.rank(scene.asker, rows).scores)
    assert abs(known[0] - known[1]).max() > 1e-2
    stop = threading.Event()

    def score() -> list[FloatArray]:
        found = []
        while not stop.is_set():
            found.append(scene.ranker.rank(scene.asker, rows).scores)
        return found

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(score) for _ in range(3)]
        for turn in range(30):
            scene.predictor.replace(*versions[turn % 2])
        stop.set()
        found = [scores for each in running for scores in each.result()]
    assert found
    for scores in found:
        assert any(np.allclose(scores, each, rtol=1e-5, atol=1e-6) for each in known)


def test_scores_that_are_not_finite_are_an_error_and_not_an_order() -> None:
    scene = Scene(definition_of("deepfm"), num=6)
    weights = scene.weights()
    weights["output/bias"][:] = np.nan
    scene.predictor.load_dense_weights(weights)
    with pytest.raises(EngineError, match="6 of 6 scores are not finite"):
        scene.ranker.rank(scene.asker, scene.rows)


def test_a_contribution_is_what_the_score_loses_without_the_input() -> None:
    """By hand: a logistic regression is σ of a sum, from which one input's part is taken."""
    scene = Scene(definition_of("logistic_regression"), num=5)
    rows = scene.rows
    found = scene.ranker.contributions(scene.asker, rows)
    assert found.names == ["user_id", "item_id", "history", "topic", "device", "price", "age"]
    whole = scene.ranker.rank(scene.asker, rows).scores.astype(np.float64)
    logits = np.log(whole / (1.0 - whole))
    ids = scene.encoder.encode({}, 0).slots.keys()
    assert list(ids) == found.names[:5]
    table = scene.predictor.store.tables["dim1"]
    batch = scene.ranker.items.encoded(rows)
    of_item = np.array([table.lookup(batch.slots["item_id"].fids[[place]])[0, 0] for place in range(5)])
    without = 1.0 / (1.0 + np.exp(-(logits - of_item)))
    np.testing.assert_allclose(found.values[:, 1], whole - without, atol=1e-5)
    prices = batch.dense[:, 0] * scene.predictor.dense_weights()["first_order/kernel"][1, 0]
    without = 1.0 / (1.0 + np.exp(-(logits - prices)))
    np.testing.assert_allclose(found.values[:, 5], whole - without, atol=1e-5)


@either_way
def test_contributions_name_every_input_of_every_kind(way: str) -> None:
    scene = scene_of(way)
    counters = scene.counters(3)
    found = scene.ranker.contributions(scene.asker, scene.rows[:3], counters)
    names = [slot.name for slot in scene.definition.slots] + [dense.name for dense in scene.definition.dense]
    assert found.names == names and found.values.shape == (3, len(names))
    assert np.isfinite(found.values).all() and (found.values != 0).any(axis=0).sum() > len(names) // 2


def test_only_so_many_candidates_are_explained_at_once() -> None:
    definition = ModelDefinition(
        slots=[Slot(name="item", number=1, source="item.id", dim=1)], architecture={"kind": "logistic_regression"}
    )
    scene = Scene(definition, num=51)
    with pytest.raises(ValueError, match="rows: must be at most 50, received 51"):
        scene.ranker.contributions(scene.asker, scene.rows)
