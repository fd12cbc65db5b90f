"""A definition written before a field existed means what it meant, and the definition of today survives being written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.demo import demo_ranker, demo_retriever
from engine.spec.initializer import Uniform
from engine.spec.slot import AdmitAlways
from engine.spec.sparse_optimizer import SparseAdagrad

STORED: dict[str, Any] = json.loads((Path(__file__).parent / "demo_definitions.json").read_text())
"""What the release before admission, expiry and optimizers of rows stored for the demo's two models."""
DEMO = {"retriever": demo_retriever(), "ranker": demo_ranker()}


@pytest.mark.parametrize("name", DEMO)
def test_a_definition_stored_by_an_older_release_equals_todays(name: str) -> None:
    assert ModelDefinition.parse(STORED[name]) == ModelDefinition.parse(DEMO[name])


@pytest.mark.parametrize("name", DEMO)
def test_todays_document_says_all_that_the_stored_one_said(name: str) -> None:
    """Every value at its old path, but for the initializer, which has a place of its own now."""
    today = ModelDefinition.parse(DEMO[name]).as_json()
    stored = json.loads(json.dumps(STORED[name]))
    assert stored["sparse_optimizer"].pop("init_scale") == today["sparse_optimizer"]["initializer"]["scale"]
    assert _missing("", stored, today) == []


@pytest.mark.parametrize("name", DEMO)
def test_a_definition_survives_being_written_and_read(name: str) -> None:
    definition = ModelDefinition.parse(DEMO[name])
    assert ModelDefinition.parse(json.loads(json.dumps(definition.as_json()))) == definition


def test_what_an_older_definition_leaves_out_is_todays_behaviour() -> None:
    definition = ModelDefinition.parse(STORED["ranker"])
    for slot in definition.slots:
        assert (slot.admission, slot.expiry) == (AdmitAlways(), None)
    assert definition.sparse_optimizer == SparseAdagrad(
        learning_rate=0.05,
        initial_accumulator=0.1,
        initializer=Uniform(scale=0.01),
        weight_decay=0.0,
        clip_norm=None,
        clip_value=None,
    )
    assert definition.retention.max_table_bytes is None
    assert definition.serving.precision == "float32"


def test_an_optimizer_without_a_kind_is_adagrad() -> None:
    optimizer = ModelDefinition.parse({**demo_ranker(), "sparse_optimizer": {"learning_rate": 0.2}}).sparse_optimizer
    assert optimizer == SparseAdagrad(learning_rate=0.2)


def test_init_scale_is_the_older_name_of_a_uniform_initializer() -> None:
    optimizer = SparseAdagrad.parse({"init_scale": 0.5})
    assert optimizer.initializer == Uniform(scale=0.5)
    assert optimizer.initializer == Uniform(scale=0.5)


def test_init_scale_beside_an_initializer_is_refused() -> None:
    with pytest.raises(InvalidDocument, match="init_scale"):
        SparseAdagrad.parse({"init_scale": 0.5, "initializer": {"kind": "zeros"}})


def _missing(path: str, before: Any, after: Any) -> list[str]:
    """Paths of `before` whose values `after` lacks or has otherwise."""
    if isinstance(before, dict):
        return [lack for name, value in before.items() for lack in _missing(f"{path}.{name}", value, after.get(name))]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [lack for index, (one, other) in pairs for lack in _missing(f"{path}.{index}", one, other)]
    return [] if before == after else [path]
