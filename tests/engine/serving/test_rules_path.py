"""What a deployment's document and a request say about an answer, with a real model behind it: i0 is nearest to u, i4 farthest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from engine.errors import InvalidDocument
from engine.retrieval.item_rows import id_hash
from engine.serving.requests import Ask, Overrides, RecommendRequest, SessionEvent

Pointing = Callable[[float], list[float]]


def cosine(degrees: float) -> Any:
    return pytest.approx(float(np.cos(np.radians(degrees))), abs=1e-6)


@pytest.fixture
def priced(shop: Any, retrieving: Any) -> Any:
    """i0 to i4 cost 0 to 4; i0, i2 and i4 are books."""
    for number in range(5):
        shop.write(f"i{number}", price=float(number), kind="film" if number % 2 else "book")
    shop.poll()
    return retrieving


def test_filters_of_document_and_request_both_hold(shop: Any, priced: Any) -> None:
    shop.deploy(priced, document={"filter": "item.price < $most", "parameters": {"most": 3}})
    assert shop.items() == ["i0", "i1", "i2"]
    assert shop.items(filter="item.kind = 'book'") == ["i0", "i2"]
    assert shop.items(parameters={"most": 1}) == ["i0"]


def test_filter_that_leaves_nothing_is_told_and_not_relaxed(shop: Any, priced: Any) -> None:
    reply = shop.recommend(filter="item.price > 100")
    assert (reply.items, reply.degraded) == ([], "empty_filter")
    assert shop.recommend(candidates=("i0",), filter="item.price > 100").degraded == "empty_filter"
    everything = tuple(f"i{number}" for number in range(5))
    assert shop.recommend(filter="item.price < 100", exclude=everything).degraded == "nothing_left"


def test_filter_may_ask_of_user_and_context(shop: Any, priced: Any) -> None:
    shop.write_user("u", country="de")
    shop.poll()
    asked = "item.price < 2 or user.country = 'fr'"
    assert shop.items(filter=asked) == ["i0", "i1"]
    assert len(shop.items(filter=asked, user_properties={"country": "fr"})) == 5


def test_parameter_without_a_value_is_the_callers_mistake(shop: Any, priced: Any) -> None:
    shop.deploy(priced, document={"filter": "item.price < $most"})
    with pytest.raises(InvalidDocument, match="most"):
        shop.recommend()


def test_document_that_does_not_fit_the_schema_is_refused_and_the_old_one_answers(shop: Any, priced: Any) -> None:
    shop.deploy(priced, document={"filter": "item.price < 2"}, revision=1)
    with pytest.raises(InvalidDocument, match="colour"):
        shop.deploy(priced, document={"filter": "item.colour = 'red'"}, revision=2)
    reply = shop.recommend()
    assert ([item.item_id for item in reply.items], reply.revision) == (["i0", "i1"], 1)


def test_new_document_loads_no_model_again(shop: Any, priced: Any) -> None:
    before = shop.replica._projects["shop"]._retrieval["retrieval", "near", 1]
    shop.deploy(priced, document={"filter": "item.price < 2"}, revision=2)
    assert shop.recommend().revision == 2
    assert shop.replica._projects["shop"]._retrieval["retrieval", "near", 1] is before


def test_boosts_of_the_request_come_beside_the_documents(shop: Any, priced: Any) -> None:
    shop.deploy(priced, document={"boosts": [{"when": "item.id = 'i4'", "add": 10}]})
    assert shop.items(k=2) == ["i4", "i0"]
    overrides = Overrides(boosts=({"when": "item.id = 'i3'", "add": 20},))
    reply = shop.recommend(k=3, overrides=overrides)
    assert [item.item_id for item in reply.items] == ["i3", "i4", "i0"]
    assert reply.items[1].score == pytest.approx(10 + np.cos(np.radians(80)))


def test_override_that_is_none_is_refused_by_its_field(shop: Any, priced: Any) -> None:
    with pytest.raises(InvalidDocument) as caught:
        shop.recommend(overrides=Overrides(boosts=({"when": "item.price <"},)))
    assert [problem.field for problem in caught.value.problems] == ["boosts.0.when"]
    with pytest.raises(InvalidDocument, match="exploration"):
        shop.recommend(overrides=Overrides(exploration={"kind": "epsilon", "epsilon": 7}))


def test_promotion_takes_its_place_and_brings_its_item(shop: Any, priced: Any) -> None:
    shop.write(*(f"x{number}" for number in range(300)))
    shop.write("new", price=9.0)
    shop.poll()
    promotion = {"name": "launch", "items": ["x7", "nowhere"], "slots": [2]}
    shop.deploy(
        priced, document={"promotions": [promotion], "retrieval": {"sources": [{"kind": "nearest", "quota": 3}]}}
    )
    reply = shop.recommend(k=3)
    assert [(item.item_id, item.promotion) for item in reply.items] == [("i0", None), ("x7", "launch"), ("i1", None)]
    assert reply.items[1].source == "promoted"
    shop.delete("x7")
    shop.poll()
    assert shop.items(k=3) == ["i0", "i1", "i2"]
    shop.write("x7")
    shop.poll()
    assert shop.items(k=3) == ["i0", "x7", "i1"]
    # rules come before promotions: what is excluded or filtered out is promoted by nobody
    assert shop.items(k=3, exclude=("x7",)) == ["i0", "i1", "i2"]
    assert shop.items(k=3, filter="item.price >= 0") == ["i0", "i1", "i2"]


def test_promotion_by_condition_looks_beyond_the_candidates(shop: Any, priced: Any) -> None:
    shop.write(*(f"x{number}" for number in range(3)), kind="launch")
    shop.poll()
    promotion = {"name": "launch", "when": "item.kind = 'launch'", "slots": [1, 3]}
    sources = {"sources": [{"kind": "nearest", "quota": 3}]}
    shop.deploy(priced, document={"promotions": [promotion], "retrieval": sources})
    reply = shop.recommend(k=4)
    assert [item.promotion for item in reply.items] == ["launch", None, "launch", None]
    assert {item.source for item in reply.items if item.promotion} == {"promoted"}
    assert [item.item_id for item in reply.items if not item.promotion] == ["i0", "i1"]
    assert shop.items(k=2, filter="item.kind = 'book'") == ["i0", "i2"]


def test_caps_hold_over_the_answer(shop: Any, priced: Any) -> None:
    shop.deploy(priced, document={"caps": [{"property": "kind", "max_items": 1}]})
    assert shop.items() == ["i0", "i1"]
    shop.deploy(priced, document={"caps": [{"property": "price", "max_items": 1}]})
    assert len(shop.items()) == 5


@pytest.mark.parametrize("by", ["kind", "embedding"])
def test_diversity_brings_what_is_unlike_the_first(shop: Any, priced: Any, by: str) -> None:
    overrides = Overrides(diversity={"kind": "mmr", "by": by, "strength": 0.9})
    first, second = shop.items(k=2, overrides=overrides)
    assert first == "i0"
    assert second == ("i1" if by == "kind" else "i4")


def test_exploration_is_repeatable_by_seed_and_tells_its_propensities(shop: Any, priced: Any) -> None:
    overrides = Overrides(exploration={"kind": "epsilon", "epsilon": 0.5, "among": 5})
    replies = [shop.recommend(k=2, overrides=overrides, seed=seed) for seed in range(40)]
    assert shop.recommend(k=2, overrides=overrides, seed=3).items == replies[3].items
    firsts = {reply.items[0].item_id: reply.items[0].propensity for reply in replies}
    assert len(firsts) > 1
    assert firsts["i0"] == pytest.approx(0.5 + 0.5 / 5)
    assert all(chance == pytest.approx(0.1) for item_id, chance in firsts.items() if item_id != "i0")


def test_seen_items_are_dropped_kept_or_demoted_as_the_document_says(shop: Any, priced: Any) -> None:
    shop.click("u", "i0")
    shop.poll()
    assert shop.items(k=2) == ["i1", "i2"]
    shop.deploy(priced, document={"seen": {"policy": "keep"}})
    assert shop.items(k=2) == ["i0", "i1"]
    shop.deploy(priced, document={"seen": {"policy": "demote", "demote_to": 0.7}})
    reply = shop.recommend(k=5)
    assert [item.item_id for item in reply.items] == ["i1", "i2", "i0", "i3", "i4"]
    assert reply.items[2].score == pytest.approx(0.7)


def test_what_was_shown_before_is_not_shown_again(shop: Any, priced: Any) -> None:
    first = shop.items(k=2)
    shown = tuple(id_hash(item_id) for item_id in first)
    assert shop.items(k=2, shown=shown) == ["i2", "i3"]


def test_hidden_item_is_gone_however_it_is_asked_for(shop: Any, priced: Any) -> None:
    shop.hide("i0", price=0.0)
    shop.poll()
    assert "i0" not in shop.items()
    reply = shop.recommend(candidates=("i0", "i1"))
    assert ([item.item_id for item in reply.items], reply.unknown) == (["i1"], ("i0",))


def test_fields_are_answered_as_the_catalogue_has_them(shop: Any, priced: Any) -> None:
    reply = shop.recommend(k=1, fields=("price", "title"))
    assert reply.items[0].properties == {"price": 0.0, "title": None}
    assert shop.recommend(k=1).items[0].properties is None


def test_rank_scores_all_that_is_given_whatever_the_rules(shop: Any, priced: Any) -> None:
    shop.deploy(priced, document={"filter": "item.price < 1", "caps": [{"property": "kind", "max_items": 1}]})
    shop.click("u", "i1")
    shop.poll()
    reply = shop.recommend(ask=Ask.RANK, candidates=("i4", "nowhere", "i1", "i0", "i4"), k=1)
    assert [(item.item_id, item.source) for item in reply.items] == [("i0", "given"), ("i1", "given"), ("i4", "given")]
    assert [item.score for item in reply.items] == [cosine(0), cosine(20), cosine(80)]
    assert (reply.unknown, reply.degraded) == (("nowhere",), None)
    own = shop.recommend(ask=Ask.RANK, candidates=("i4", "i1", "i0"), filter="item.price > 0", exclude=("i4",))
    assert [item.item_id for item in own.items] == ["i1"]


def test_similar_items_are_near_the_item_and_not_the_user(shop: Any, priced: Any) -> None:
    reply = shop.recommend("", ask=Ask.SIMILAR, item_id="i4", k=3)
    assert [(item.item_id, item.source) for item in reply.items] == [
        ("i3", "similar"),
        ("i2", "similar"),
        ("i1", "similar"),
    ]
    assert reply.degraded is None
    assert [model.role for model in reply.models] == ["retrieval"]
    assert shop.items("", ask=Ask.SIMILAR, item_id="i4", filter="item.kind = 'book'") == ["i2", "i0"]


def test_similar_items_are_also_what_others_took_with_it(shop: Any) -> None:
    shop.write("cup", "saucer", "plate")
    for user_id in ("a", "b"):
        shop.click(user_id, "cup")
        shop.click(user_id, "saucer")
    shop.deploy()
    reply = shop.recommend("u", ask=Ask.SIMILAR, item_id="cup")
    assert [(item.item_id, item.source) for item in reply.items] == [("saucer", "item_to_item")]
    nothing = shop.recommend("u", ask=Ask.SIMILAR, item_id="plate")
    assert nothing.degraded == "nothing_similar"
    assert {item.item_id for item in nothing.items} == {"cup", "saucer"}
    unknown = shop.recommend("u", ask=Ask.SIMILAR, item_id="nowhere")
    assert (unknown.items, unknown.degraded, unknown.unknown) == ([], "unknown_item", ("nowhere",))


def test_session_of_nobody_counts_as_history(shop: Any) -> None:
    shop.write("cup", "saucer", "plate")
    shop.click("a", "cup")
    shop.click("a", "saucer")
    shop.deploy()
    session = (SessionEvent("click", "cup", 1_000_000),)
    reply = shop.recommend("", session=session)
    assert (reply.items[0].item_id, reply.items[0].source) == ("saucer", "item_to_item")
    assert "cup" not in [item.item_id for item in reply.items]
    assert reply.features["history"] == ["cup"]


def test_deadline_that_leaves_no_time_to_rank_leaves_retrievals_order(shop: Any, retrieving: Any, ranking: Any) -> None:
    shop.deploy(retrieving, ranking)
    request = RecommendRequest("shop", "main", "u", k=2)
    whole = shop.replica.recommend(request, 10.0)
    assert (whole.degraded, len(whole.models)) == (None, 2)
    hurried = shop.replica.recommend(request, 0.0)
    assert ([item.item_id for item in hurried.items], hurried.degraded) == (["i0", "i1"], "deadline")
    assert [model.role for model in hurried.models] == ["retrieval"]


def test_one_slow_ranking_is_not_held_against_the_model_for_ever(shop: Any, retrieving: Any, ranking: Any) -> None:
    shop.deploy(retrieving, ranking)
    request = RecommendRequest("shop", "main", "u", k=2)
    shop.replica.recommend(request)
    for usual in shop.replica._deployed["shop", "main"].pipeline._ranking._usual.values():
        usual.seconds = 60.0
    answers = [shop.replica.recommend(request, 30.0).degraded for _ in range(9)]
    assert answers[:2] == ["deadline", "deadline"]
    assert answers[-1] is None
