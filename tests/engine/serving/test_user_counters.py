"""Counters of the user: read once a request, by a retrieval model too, and learned as they were served."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.errors import InvalidDocument
from engine.features.columns import columns_from_examples
from engine.features.encoder import FeatureEncoder
from engine.models.forward import Predictor
from engine.serving.deployment import DeploymentSpec
from engine.spec.definition import DeepFM, DenseInput, ModelDefinition, Side, Slot, TwoTower
from tests.engine.serving.test_counters_path import PROJECT, SCHEMA, click, impression, joined, send

SLOTS = [Slot(name="user", number=1, source="user.id", dim=2), Slot(name="item", number=2, source="item.id", dim=2)]
BUSY = DenseInput(name="busy", source="user_counter.busy_10m")
RETRIEVAL = ModelDefinition(slots=SLOTS, dense=[BUSY], architecture=TwoTower(hidden=[], output_dim=2, temperature=1.0))
RANKING = ModelDefinition(slots=SLOTS, dense=[BUSY], architecture=DeepFM(hidden=[4]))


@pytest.fixture
def stage(shop: Any) -> Any:
    """Two items at right angles; the busier the user, the nearer to the second."""
    shop.write("i0", "i1")
    model = shop.model("near", RETRIEVAL)
    model.weights["item_output/kernel"] = np.eye(2, dtype=np.float32)
    model.weights["user_output/kernel"] = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
    for slot, sparse_id, row in (("item", "i0", [1.0, 0.0]), ("item", "i1", [0.0, 1.0]), ("user", "u", [3.0, 0.0])):
        model.set_row(slot, sparse_id, row)
    model.publish(events_through=0, dense=True)
    shop.replica.deploy(DeploymentSpec(PROJECT, "main", SCHEMA, retrieval=model.ref))
    shop.poll()
    return model


def test_a_users_counter_turns_its_vector_and_is_learned_as_it_was_served(shop: Any, stage: Any) -> None:
    assert shop.items("u") == ["i0", "i1"]
    send(shop, *(click(shop, "u", "elsewhere") for _ in range(4)))
    shop.poll()
    reply = shop.recommend("u")
    # (3, 0) and four events of the user: (3, 4) is 5 long
    assert {item.item_id: item.score for item in reply.items} == pytest.approx({"i0": 0.6, "i1": 0.8})
    served = impression(shop, "u", reply, "tv")
    send(shop, served, click(shop, "u", "i1", recommendation_id=served.recommendation_id))
    [example] = [one for one in joined(shop) if one.recommendation_id == served.recommendation_id]
    assert example.counters["busy_10m"] == 4.0

    encoder, predictor = FeatureEncoder(RETRIEVAL), Predictor(RETRIEVAL, stage.store)
    predictor.load_dense_weights(stage.weights)
    columns = columns_from_examples([example], encoder.sources(Side.USER))
    np.testing.assert_allclose(predictor.user_vectors(encoder.encode(columns, 1, Side.USER)), [[0.6, 0.8]], rtol=1e-6)


def test_a_ranking_model_reads_it_once_a_request(shop: Any, stage: Any) -> None:
    model = shop.model("order", RANKING)
    model.set_row("user", "somebody", [0.5, 0.5])
    model.publish(events_through=0, dense=True)
    shop.replica.deploy(DeploymentSpec(PROJECT, "main", SCHEMA, ranking=model.ref))
    send(shop, *(click(shop, "u", "elsewhere") for _ in range(3)))
    shop.poll()
    reply = shop.recommend("u")
    encoder, predictor = FeatureEncoder(RANKING), Predictor(RANKING, model.store)
    predictor.load_dense_weights(model.weights)
    user = encoder.encode({"user_counter.busy_10m": pa.array([3.0])}, 1, Side.USER)
    expected = predictor.pair_scores(user, encoder.encode({}, 1, Side.ITEM))
    assert not encoder.has_pairs
    assert [item.score for item in reply.items] == pytest.approx([float(expected[0])] * 2)


def test_a_counter_that_counts_by_the_item_is_refused_with_the_reason() -> None:
    document = RETRIEVAL.as_json()
    of_item = [{"name": "busy", "source": "user_counter.clicks_10m"}]
    with pytest.raises(InvalidDocument) as refused:
        ModelDefinition.parse(document | {"dense": of_item}).check_against(SCHEMA)
    assert "counts by the item, so that it is none of the user alone" in str(refused.value.problems[0].rule)
    for source in ("counter.clicks_10m", "counter.busy_10m", "feature.rate"):
        rate = {"kind": "ratio", "name": "rate", "numerator": "counter.clicks_10m", "denominator": "counter.shows_10m"}
        changed = document | {"features": [rate], "dense": [{"name": "busy", "source": source}]}
        with pytest.raises(InvalidDocument, match=r"kept in an index.*user_counter"):
            ModelDefinition.parse(changed)


def test_what_comes_with_the_event_may_be_counted_by_too() -> None:
    document = RETRIEVAL.as_json() | {"dense": [{"name": "device", "source": "user_counter.devices_1h"}]}
    definition = ModelDefinition.parse(document)
    definition.check_against(SCHEMA)
    assert definition.side_of("user_counter.devices_1h") is Side.USER
