"""The JSON beside the form: shorter, and the same definition."""

from __future__ import annotations

import pytest

from engine.spec.definition import ModelDefinition
from engine.spec.schema import Schema
from tests.engine.models.definitions import KINDS, definition_of
from tests.webapp.console.full_definition import FULL_RANKING
from webapp.registry.definition_form import is_editable
from webapp.registry.first_definition import first_definition
from webapp.registry.lean import lean

SCHEMA = Schema.parse(
    {
        "users": {"country": {"type": "string"}},
        "items": {"topic": {"type": "string"}, "tags": {"type": "string_list"}},
        "events": {"impression": {"role": "impression"}, "click": {"role": "action"}},
    }
)


def test_it_means_the_same_where_nothing_is_at_its_default() -> None:
    shorter = lean(FULL_RANKING)
    assert ModelDefinition.parse(shorter) == ModelDefinition.parse(FULL_RANKING)
    assert shorter["sparse_optimizer"]["learning_rate"] == FULL_RANKING["sparse_optimizer"]["learning_rate"]
    assert is_editable(shorter)


@pytest.mark.parametrize("kind", KINDS)
def test_it_means_the_same_for_every_architecture(kind: str) -> None:
    for definition in (definition_of(kind), ModelDefinition.parse(first_definition(SCHEMA, kind))):
        assert ModelDefinition.parse(lean(definition.as_json())) == definition


def test_it_leaves_out_what_the_specification_says_anyway() -> None:
    definition = ModelDefinition.parse(first_definition(SCHEMA, "deepfm")).as_json()
    shorter = lean(definition)
    assert shorter["slots"][0] == {"name": "user_id", "number": 1, "source": "user.id", "dim": 16}
    assert shorter["architecture"] == {"kind": "deepfm"}
    assert shorter.keys() == {"slots", "tasks", "architecture"}


def test_it_keeps_what_is_no_definition() -> None:
    broken = {
        "slots": [{"dim": "wide", "colour": 3}, 7],
        "training": "much",
        "odd": [1],
        "architecture": {"kind": "none"},
    }
    assert lean(broken) == broken
