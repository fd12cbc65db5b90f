from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.features.columns import columns_for_items, concat, repeat_rows
from engine.features.encoder import FeatureEncoder
from engine.models.forward import Predictor
from engine.retrieval.asker import Asker
from engine.serving.requests import Ask


def scored_by_the_trainer(
    model: Any, item_ids: list[str], item_properties: list[dict[str, Any]], asker: Asker
) -> dict[str, float]:
    """Scores from the trainer's own store, every row encoded whole: nothing of the serving path."""
    definition = model.ref.definition
    encoder = FeatureEncoder(definition)
    predictor = Predictor(definition, model.store)
    predictor.load_dense_weights(model.weights)
    columns = concat(
        repeat_rows(asker.columns(encoder.sources()), len(item_ids)),
        columns_for_items(item_ids, item_properties, encoder.sources()),
    )
    scores = predictor.scores(encoder.encode(columns, len(item_ids)))
    return dict(zip(item_ids, scores.tolist(), strict=True))


def test_candidates_of_retrieval_are_ordered_by_the_ranking_models_scores(
    shop: Any, retrieving: Any, ranking: Any
) -> None:
    shop.deploy(retrieving, ranking)
    items = [f"i{number}" for number in range(5)]
    for number, item_id in enumerate(items):
        shop.write(item_id, price=float(number))
    shop.write_user("u", country="de")
    shop.click("u", "i4")
    shop.poll()
    expected = scored_by_the_trainer(
        ranking, items, [{"price": float(n)} for n in range(5)], Asker("u", {"country": "de"}, {"hour": 3}, ("i4",))
    )
    expected.pop("i4")
    reply = shop.recommend(context={"hour": 3})
    assert {item.item_id: item.score for item in reply.items} == pytest.approx(expected)
    assert [item.item_id for item in reply.items] == sorted(expected, key=lambda item: -expected[item])
    assert {item.source for item in reply.items} == {"two_tower"}
    assert [(model.role, model.events_through) for model in reply.models] == [
        ("retrieval", {0: 1}),
        ("ranking", {0: 9}),
    ]


def test_features_to_log_are_those_the_answer_was_made_from(shop: Any, ranking: Any) -> None:
    shop.write("i1", "i2", price=2.5, kind="book")
    shop.write_user("u", country="de")
    shop.click("u", "i3")
    shop.deploy(None, ranking)
    assert shop.recommend(candidates=("i1",)).features == {
        "user": {"country": "de"},
        "history": ["i3"],
        "history_types": ["click"],
        "history_times_ms": [1_004_000],
        "time_ms": 1_004_000,
        "items": {"i1": {"price": 2.5, "kind": "book"}},
    }
    ranked = shop.recommend(ask=Ask.RANK, candidates=("i1", "i2"), num_logged=1)
    assert list(ranked.features["items"]) == [ranked.items[0].item_id]
    assert len(ranked.items) == 2


def test_properties_in_the_request_replace_the_catalogues(shop: Any, ranking: Any) -> None:
    shop.write("i0", "i1", "i2")
    shop.write_user("u", country="de")
    shop.deploy(None, ranking)
    known, other = shop.recommend(), shop.recommend(user_properties={"country": "fr"})
    items = [item.item_id for item in other.items]
    expected = scored_by_the_trainer(ranking, items, [{}] * 3, Asker("u", {"country": "fr"}, {}, ()))
    assert {item.item_id: item.score for item in other.items} == pytest.approx(expected)
    assert {item.score for item in known.items} != {item.score for item in other.items}
    assert other.features["user"] == {"country": "fr"}


def test_history_is_cut_to_the_schemas_length_and_keeps_the_newest(shop: Any, ranking: Any) -> None:
    shop.write("i0", "i1", "i2", "i3", "i4")
    for number in range(4):
        shop.click("u", f"i{number}")
    shop.deploy(None, ranking)
    assert shop.recommend().features["history"] == ["i1", "i2", "i3"]


def test_ranking_model_whose_scores_are_not_finite_leaves_the_order_to_retrieval(
    shop: Any, retrieving: Any, ranking: Any
) -> None:
    shop.deploy(retrieving, ranking)
    ranking.weights = {name: np.full_like(weight, np.nan) for name, weight in ranking.weights.items()}
    ranking.publish(dense=True)
    shop.poll()
    reply = shop.recommend(k=2)
    assert [item.item_id for item in reply.items] == ["i0", "i1"]
    assert reply.degraded == "ranking_failed"
    assert shop.explained()["details"] == ["ranking model order v1 failed: 5 of 5 scores are not finite"]
    assert [model.role for model in reply.models] == ["retrieval"]


def test_ranking_model_without_parameters_leaves_the_order_to_retrieval(
    shop: Any, retrieving: Any, ranking: Any
) -> None:
    shop.deploy(retrieving, shop.model("later", ranking.ref.definition))
    reply = shop.recommend(k=2)
    assert [item.item_id for item in reply.items] == ["i0", "i1"]
    assert reply.degraded == "no_model"
    assert shop.explained()["details"] == ["model later v1 has no parameters yet"]
