from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.features.statistics import MEMORY_ROWS, RunningStatistics
from engine.spec.definition import ModelDefinition, Side

DEFINITION = ModelDefinition.parse(
    {
        "slots": [
            {"name": "user_id", "number": 1, "source": "user.id"},
            {"name": "item_id", "number": 2, "source": "item.id"},
        ],
        "dense": [
            {"name": "age", "source": "user.age", "transform": "standardise"},
            {"name": "price", "source": "item.price"},
            {"name": "shape", "source": "item.shape", "dim": 2, "transform": "standardise"},
        ],
        "architecture": {"kind": "deepfm"},
    }
)


def rows(*values: list[float]) -> np.ndarray:
    return np.array(values, np.float32)


def test_mean_and_deviation_by_hand_over_two_batches() -> None:
    statistics = RunningStatistics(DEFINITION)
    statistics.observe(Side.USER, rows([2.0], [4.0]))
    statistics.observe(Side.USER, rows([4.0], [np.nan], [6.0]))
    # 2, 4, 4, 6: mean 4, variance 8 / 4
    np.testing.assert_allclose(statistics.weights()["statistics/age"], [[4.0], [1 / np.sqrt(2.0)]])


def test_columns_of_a_vector_stand_after_the_side_s_other_inputs() -> None:
    statistics = RunningStatistics(DEFINITION)
    statistics.observe(Side.ITEM, rows([100.0, 1.0, 10.0], [200.0, 3.0, 10.0]))
    np.testing.assert_allclose(statistics.weights()["statistics/shape"], [[2.0, 10.0], [1.0, 1.0]])


def test_what_was_never_seen_in_training_is_kept_from_the_weights() -> None:
    weights = RunningStatistics(DEFINITION).weights()
    assert list(weights) == ["statistics/age", "statistics/shape"]
    np.testing.assert_array_equal(weights["statistics/age"], [[0.0], [0.0]])


def test_a_definition_without_such_inputs_has_no_statistics() -> None:
    plain = ModelDefinition.parse(DEFINITION.as_json() | {"dense": []})
    assert not RunningStatistics(plain)
    assert RunningStatistics(plain).weights() == {}


def test_what_was_long_ago_counts_for_less() -> None:
    statistics = RunningStatistics(DEFINITION)
    statistics.observe(Side.USER, np.full((2 * MEMORY_ROWS, 1), 0.0, np.float32))
    statistics.observe(Side.USER, np.full((MEMORY_ROWS, 1), 8.0, np.float32))
    np.testing.assert_allclose(statistics.weights()["statistics/age"], [[4.0], [1 / 4.0]])


BATCHES = st.lists(st.lists(st.floats(-1e3, 1e3, width=32) | st.just(float("nan")), max_size=8), max_size=6)


@given(BATCHES)
def test_batches_merged_equal_numpy_over_everything(batches: list[list[float]]) -> None:
    statistics = RunningStatistics(DEFINITION)
    for batch in batches:
        statistics.observe(Side.USER, np.array(batch, np.float32)[:, np.newaxis])
    values = np.array([value for batch in batches for value in batch if not np.isnan(value)], np.float64)
    mean, factor = statistics.weights()["statistics/age"][:, 0]
    assert mean == pytest.approx(values.mean() if values.size else 0.0, abs=1e-3)
    if values.size and values.std() > 1e-3:
        assert factor == pytest.approx(1 / values.std(), rel=1e-3)


@given(BATCHES, BATCHES)
def test_restored_copy_goes_on_as_the_original(before: list[list[float]], after: list[list[float]]) -> None:
    statistics = RunningStatistics(DEFINITION)
    for batch in before:
        statistics.observe(Side.USER, np.array(batch, np.float32)[:, np.newaxis])
    copy = RunningStatistics(DEFINITION)
    copy.restore(statistics.to_json())
    for batch in after:
        for each in (statistics, copy):
            each.observe(Side.USER, np.array(batch, np.float32)[:, np.newaxis])
    assert copy.to_json() == statistics.to_json()


def test_statistics_of_another_shape_are_refused() -> None:
    statistics = RunningStatistics(DEFINITION)
    with pytest.raises(ValueError, match=r"statistics\.shape: must have the shape \(3, 2\), received \(3, 1\)"):
        statistics.restore({"age": [[1.0], [1.0], [0.0]], "shape": [[1.0], [1.0], [0.0]]})
