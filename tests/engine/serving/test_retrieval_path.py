from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.spec.event import CatalogChange

Pointing = Callable[[float], list[float]]


def cosine(degrees: float) -> Any:
    return pytest.approx(float(np.cos(np.radians(degrees))), abs=1e-6)


def test_items_come_by_their_cosine_with_the_user(shop: Any, retrieving: Any) -> None:
    reply = shop.recommend(k=3)
    assert [item.item_id for item in reply.items] == ["i0", "i1", "i2"]
    assert [item.score for item in reply.items] == [cosine(0), cosine(20), cosine(40)]
    assert {item.source for item in reply.items} == {"two_tower"}
    assert reply.degraded is None


def test_reply_tells_which_parameters_answered(shop: Any, retrieving: Any) -> None:
    shop.now_s += 2.5
    (model,) = shop.recommend().models
    assert (model.role, model.name, model.version, model.sequence) == ("retrieval", "near", 1, 2)
    assert (model.events_through, model.trained_through_event_time_ms, model.age_s) == ({0: 1}, 1000, 2.5)


def test_user_row_that_was_learned_changes_the_answer_after_one_poll(
    shop: Any, retrieving: Any, pointing: Pointing
) -> None:
    retrieving.set_row("user", "u", pointing(80))
    retrieving.publish(events_through=2)
    assert shop.items(k=2) == ["i0", "i1"]
    shop.replica.poll()
    assert shop.items(k=2) == ["i4", "i3"]
    assert shop.recommend().models[0].events_through == {0: 2}


def test_item_row_that_was_learned_moves_the_item_after_one_poll(
    shop: Any, retrieving: Any, pointing: Pointing
) -> None:
    retrieving.set_row("item", "i4", pointing(1))
    retrieving.publish()
    shop.replica.poll()
    assert shop.items(k=3) == ["i0", "i4", "i1"]


def test_item_row_that_was_evicted_takes_its_vector_along(shop: Any, retrieving: Any) -> None:
    retrieving.store.tables["dim2"].erase(hash_ids(pa.array(["i0"]), 2))
    retrieving.publish()
    shop.replica.poll()
    scores = {item.item_id: item.score for item in shop.recommend().items}
    assert scores["i0"] == 0.0


def test_property_row_that_was_learned_moves_every_item_that_has_it(
    shop: Any, retrieving: Any, pointing: Pointing
) -> None:
    shop.write("i3", "i4", kind="sale")
    shop.poll()
    retrieving.set_row("kind", "sale", [100.0, 0.0])
    retrieving.publish()
    shop.replica.poll()
    scores = {item.item_id: item.score for item in shop.recommend().items}
    assert scores["i3"] > 0.99
    assert scores["i4"] > 0.99
    assert scores["i2"] == cosine(40)


def test_new_dense_weights_renew_every_vector(shop: Any, retrieving: Any) -> None:
    swap = np.array([[0.0, 1.0], [1.0, 0.0]], np.float32)
    retrieving.weights["item_output/kernel"] = np.concatenate([swap, swap])
    retrieving.publish(dense=True)
    shop.poll()
    assert shop.items() == ["i4", "i3", "i2", "i1", "i0"]


def test_new_item_is_retrieved_after_one_poll(shop: Any, retrieving: Any, pointing: Pointing) -> None:
    retrieving.set_row("item", "new", pointing(5))
    retrieving.publish()
    shop.poll()
    shop.write("new")
    assert "new" not in shop.items()
    shop.replica.poll()
    assert shop.items(k=2) == ["i0", "new"]


def test_deleted_item_is_gone_after_one_poll_however_it_is_asked_for(shop: Any, retrieving: Any) -> None:
    shop.click("someone", "i0")
    shop.delete("i0")
    shop.replica.poll()
    assert "i0" not in shop.items()
    assert "i0" not in shop.items("stranger")
    assert shop.items(candidates=("i0", "i1")) == ["i1"]


def test_deleted_item_is_not_served_even_before_its_vector_has_gone(shop: Any, retrieving: Any) -> None:
    project = shop.replica._projects["shop"]
    project.state.catalogue.apply([CatalogChange("item", "i0", deleted=True)])
    assert shop.items(k=1) == ["i1"]


def test_user_the_model_knows_nothing_of_gets_what_is_trending_then_newest(shop: Any, retrieving: Any) -> None:
    shop.click("a", "i2")
    shop.poll()
    reply = shop.recommend("stranger", k=3)
    assert [(item.item_id, item.source) for item in reply.items] == [
        ("i2", "trending_1h"),
        ("i4", "latest"),
        ("i3", "latest"),
    ]
    assert reply.degraded == "empty_user"


def test_what_the_user_acted_on_lately_and_what_is_excluded_stay_out(shop: Any, retrieving: Any) -> None:
    shop.click("u", "i0")
    shop.click("someone", "i1")
    shop.poll()
    assert shop.items(exclude=("i2",)) == ["i1", "i3", "i4"]


def test_given_candidates_are_ranked_and_nothing_else_is(shop: Any, retrieving: Any) -> None:
    shop.click("u", "i1")
    shop.poll()
    reply = shop.recommend(candidates=("i3", "i1", "nowhere", "i3", "i2"), exclude=("i2",))
    assert [(item.item_id, item.source) for item in reply.items] == [("i1", "given"), ("i3", "given")]
    assert [item.score for item in reply.items] == [cosine(20), cosine(60)]


def test_same_question_in_the_same_state_has_the_same_answer(shop: Any, retrieving: Any) -> None:
    shop.write(*(f"x{number}" for number in range(700)))
    shop.poll()
    for user_id in ("u", "stranger"):
        first = shop.recommend(user_id, k=500)
        assert first.items == shop.recommend(user_id, k=500).items
        assert len({item.item_id for item in first.items}) == len(first.items)
