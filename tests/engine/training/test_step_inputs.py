"""A step that is given one matrix of its pairs learns what a step that is given its sides apart learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.models.inputs import InputLayout
from engine.models.pair_matrix import PairMatrix
from engine.spec.definition import ModelDefinition
from engine.training.state import TrainingState
from tests.engine.models.definitions import CLICK, definition_of
from tests.engine.training.made import as_logged, make_examples

TWO_TASKS = (CLICK, {"name": "buy", "event_type": "purchase"})
NUM_BATCHES, BATCH = 4, 48


def learned(definition: ModelDefinition, *, apart: bool, monkeypatch: Any) -> tuple[list[float], TrainingState]:
    """The losses of some batches with drawn items, of one of impressions alone, and the state after them."""
    with monkeypatch.context() as context:
        if apart:
            context.setattr(PairMatrix, "fits", classmethod(lambda *_: False))
        state = TrainingState(definition)
        losses = []
        for start in range(0, NUM_BATCHES * BATCH, BATCH):
            result = state.learn(as_logged(make_examples(NUM_BATCHES * BATCH)[start : start + BATCH], start))
            assert result is not None and result.finite
            losses.append(result.loss)
    return losses, state


def rows_by_fid(state: TrainingState) -> dict[str, dict[int, Any]]:
    return {
        name: {
            fid: vector for rows in table.rows() for fid, vector in zip(rows.fids.tolist(), rows.vectors, strict=True)
        }
        for name, table in state.store.tables.items()
    }


def definition_with(slots: dict[str, dict[str, Any]], kind: str = "dcn_v2") -> ModelDefinition:
    document = definition_of(kind).as_json()
    document["slots"] = [slot | slots.get(slot["name"], {}) for slot in document["slots"]]
    return ModelDefinition.parse(document)


@pytest.mark.parametrize(
    "definition",
    [
        definition_of("deepfm"),
        definition_of("fm", tasks=TWO_TASKS),
        definition_of("wide_deep"),
        definition_of("dlrm"),
        definition_with({"history": {"pooling": "sqrtn"}, "topic": {"pooling": "sum"}}),
        definition_with({"topic": {"dim": 3}, "device": {"dim": 5}}),
    ],
    ids=["deepfm", "fm of two tasks", "wide_deep", "dlrm", "poolings", "dims"],
)
def test_pairs_as_one_matrix_are_learned_as_sides_are(definition: ModelDefinition, monkeypatch: Any) -> None:
    assert PairMatrix.fits(InputLayout(definition))
    losses, state = learned(definition, apart=False, monkeypatch=monkeypatch)
    expected_losses, expected = learned(definition, apart=True, monkeypatch=monkeypatch)
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    rows, expected_rows = rows_by_fid(state), rows_by_fid(expected)
    for name, of_table in expected_rows.items():
        assert rows[name].keys() == of_table.keys()
        for fid, vector in of_table.items():
            assert rows[name][fid] == pytest.approx(vector, rel=1e-2, abs=2e-4)
    for name, weights in expected.architecture.dense_weights().items():
        assert state.architecture.dense_weights()[name] == pytest.approx(weights, rel=1e-2, abs=2e-4)


def test_one_compilation_does_for_batches_with_drawn_items_and_without(monkeypatch: Any) -> None:
    _, state = learned(definition_of("deepfm"), apart=False, monkeypatch=monkeypatch)
    impressions = [example for example in make_examples(400) if example.origin == "impression"]
    if impressions:
        state.learn(as_logged(impressions[:BATCH], 1_000))
    assert state.step.num_traces == 1


def test_sequences_and_standardised_inputs_are_given_apart() -> None:
    assert not PairMatrix.fits(InputLayout(definition_of("din")))
    assert not PairMatrix.fits(InputLayout(definition_of("two_tower")))
    document = definition_of("deepfm").as_json()
    document["dense"][0]["transform"] = "standardise"
    layout = InputLayout(ModelDefinition.parse(document))
    assert not PairMatrix.fits(layout)
    with pytest.raises(ValueError, match="layout: must be of a ranking model without sequences"):
        PairMatrix(layout)


def test_matrix_of_no_pairs_has_no_lines() -> None:
    matrix = PairMatrix(InputLayout(definition_of("deepfm")))
    assert matrix.width == 5 * 8 + 2
    flat = matrix.inputs(np.zeros((0, matrix.width), np.float32)).flat
    assert flat is not None and flat.shape == (0, matrix.width)
