"""What a definition may say of derived features, sides, poolings and vectors."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition, Side
from engine.spec.schema import Schema
from tests.engine.features import every_kind

RANKING = {"kind": "dcn_v2"}
SLOTS = [
    {"name": "user_id", "number": 1, "source": "user.id"},
    {"name": "item_id", "number": 2, "source": "item.id"},
]


def definition(features: list[dict[str, Any]], **more: Any) -> ModelDefinition:
    document: dict[str, Any] = {"features": features, "slots": SLOTS, "architecture": RANKING}
    return ModelDefinition.parse(document | more)


def cross(name: str, *sources: str) -> dict[str, Any]:
    return {"kind": "cross", "name": name, "sources": list(sources)}


def problems(found: ModelDefinition) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDocument) as caught:
        found.check_against(every_kind.SCHEMA)
    return [(problem.field, problem.rule) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "source, side",
    [
        ("user.country", Side.USER),
        ("event.time", Side.USER),
        ("item.topics", Side.ITEM),
        ("counter.clicks_10m", Side.PAIR),
        ("feature.of_user", Side.USER),
        ("feature.of_item", Side.ITEM),
        ("feature.of_both", Side.PAIR),
        ("feature.deep", Side.PAIR),
        ("feature.age", Side.PAIR),
        ("feature.membership", Side.USER),
    ],
)
def test_side_of_a_feature_is_that_of_its_inputs_or_of_the_pair(source: str, side: Side) -> None:
    found = definition(
        [
            cross("of_user", "user.country", "event.device"),
            cross("of_item", "item.id", "item.topics"),
            cross("of_both", "user.id", "item.id"),
            cross("deep", "feature.of_user", "feature.of_item"),
            {"kind": "time", "name": "age", "source": "item.published", "part": "age_log_s"},
            {"kind": "time", "name": "membership", "source": "user.joined", "part": "age_log_s"},
        ]
    )
    assert found.side_of(source) is side


@pytest.mark.parametrize("kind", ["two_tower", "sasrec", "matrix_factorisation"])
def test_a_retrieval_model_refuses_what_depends_on_both(kind: str) -> None:
    slots = [*SLOTS, {"name": "both", "number": 3, "source": "feature.both"}]
    with pytest.raises(InvalidDocument, match=f"both depends on user and item together, which a {kind} cannot use"):
        definition([cross("both", "user.id", "item.id")], slots=slots, architecture={"kind": kind})


@pytest.mark.parametrize(
    "features, message",
    [
        (
            [cross("a", "user.id", "feature.b"), cross("b", "user.id", "item.id")],
            "feature a uses feature.b, which is not",
        ),
        ([cross("a", "user.id", "feature.a")], "feature a uses feature.a, which is not a feature declared before it"),
        ([cross("a", "user.id", "item.id")] * 2, "two features have the name a"),
        ([cross("a", "user.id")], "at least 2 items"),
        ([{"kind": "bucket", "name": "a", "source": "item.price", "boundaries": [1, 1]}], "boundaries must ascend"),
        ([{"kind": "text", "name": "a", "source": "item.title", "sizes": [2, 2]}], "sizes must differ"),
        ([{"kind": "time", "name": "a", "part": "age_log_s"}], "age_log_s of event.time is always 0"),
    ],
)
def test_features_that_make_no_sense_are_refused(features: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        definition(features)


def test_an_input_of_an_unknown_feature_is_refused() -> None:
    with pytest.raises(
        InvalidDocument, match=r"clicks has the source feature\.nothing, which is not a declared feature"
    ):
        definition([], dense=[{"name": "clicks", "source": "feature.nothing"}])


def test_sources_are_checked_against_the_schema_by_type() -> None:
    found = definition(
        [
            cross("a", "user.country", "item.price"),
            {"kind": "text", "name": "b", "source": "user.age"},
            {"kind": "time", "name": "c", "part": "hour", "source": "item.title"},
            {"kind": "bucket", "name": "d", "source": "item.embedding", "boundaries": [0]},
            {"kind": "ratio", "name": "e", "numerator": "counter.clicks_10m", "denominator": "counter.sales_10m"},
        ],
        slots=[*SLOTS, {"name": "shape", "number": 3, "source": "item.embedding"}],
        dense=[{"name": "title", "source": "item.title"}, {"name": "shape_2", "source": "item.embedding", "dim": 2}],
    )
    assert problems(found) == [
        ("features.0", "is a float; make it a dense input, or a bucket of it a slot"),
        ("features.1", "is not text"),
        ("features.2", "is not a timestamp"),
        ("features.3", "is not a number; make it a slot"),
        ("features.4", "is not declared in the schema"),
        ("slots.2.source", "is a vector; make it a dense input"),
        ("dense.0.source", "is not a number; make it a slot"),
        ("dense.1.dim", "must be 3, as item.embedding has it"),
    ]


def test_numbers_of_columns_count_a_vector_s_dim() -> None:
    found = every_kind.definition()
    assert [found.num_dense(side) for side in Side] == [2, 4, 3]
    assert found.num_dense() == 9


def test_definitions_of_before_there_were_features_say_the_same() -> None:
    found = ModelDefinition.parse({"slots": SLOTS, "architecture": RANKING})
    assert found.features == [] and not found.has_pairs
    assert {slot.pooling for slot in found.slots} == {"mean"}


@pytest.mark.parametrize(
    "schema, message",
    [
        ({"users": {"history_types": {"type": "string"}}}, "users.history_types is a reserved name"),
        ({"events": {"click": {"properties": {"time": {"type": "integer"}}}}}, "events.click.time is a reserved name"),
        ({"items": {"shape": {"type": "vector"}}}, "dim is for a vector, and a vector must have it"),
        ({"items": {"shape": {"type": "float", "dim": 3}}}, "dim is for a vector, and a vector must have it"),
    ],
)
def test_schemas_that_would_be_ambiguous_are_refused(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDocument, match=message):
        Schema.parse({"events": {"click": {}}} | schema)
