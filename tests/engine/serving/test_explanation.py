"""What an answer says of itself when it is asked to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.serving import pipeline_explanation
from engine.serving.requests import Ask, Overrides


def of(explained: Any, item_id: str) -> Any:
    (found,) = [item for item in explained["items"] if item["item_id"] == item_id]
    return found


def dropped(explained: Any) -> dict[str, tuple[str, str]]:
    return {each["item_id"]: (each["stage"], each["why"]) for each in explained["dropped"]}


def test_nothing_is_explained_unless_asked(shop: Any, retrieving: Any) -> None:
    assert shop.recommend().explanation_json == b""


def test_items_name_every_source_that_brought_them_with_rank_and_score(shop: Any, retrieving: Any) -> None:
    shop.click("a", "i2")
    shop.click("b", "i2")
    shop.click("b", "i1")
    shop.poll()
    explained = shop.explained(k=3)
    assert [source["name"] for source in of(explained, "i2")["sources"]] == [
        "two_tower",
        "trending_1h",
        "trending_24h",
        "latest",
    ]
    near, trending, *_ = of(explained, "i2")["sources"]
    assert (near["rank"], near["score"]) == (3, pytest.approx(np.cos(np.radians(40)), abs=1e-6))
    assert trending["rank"] == 1
    assert [(source["name"], source["quota"], source["num_found"]) for source in explained["sources"]] == [
        ("two_tower", 200, 5),
        ("item_to_item", 60, 0),
        ("trending_1h", 40, 2),
        ("trending_24h", 20, 2),
        ("latest", 20, 5),
    ]
    assert (explained["num_found"], explained["num_merged"], explained["num_candidates"]) == (14, 5, 5)
    assert explained["num_ranked"] == 0


def test_dropped_items_name_the_stage_and_the_rule(shop: Any, retrieving: Any) -> None:
    shop.click("u", "i1")
    shop.hide("i2")
    shop.write("i3", price=9.0)
    shop.poll()
    explained = shop.explained(k=1, exclude=("i4",), filter="item.price is null")
    assert [item["item_id"] for item in explained["items"]] == ["i0"]
    assert dropped(explained) == {
        "i1": ("retrieval", "seen"),
        "i3": ("retrieval", "request_filter"),
        "i4": ("retrieval", "excluded"),
    }
    near = {"retrieval": {"sources": [{"kind": "nearest", "quota": 3}]}}
    shop.deploy(retrieving, document=near)
    explained = shop.explained(k=1, exclude=("i1", "i4"), filter="item.price is null")
    # among the three nearest without any rule; i2 is hidden
    assert dropped(explained) == {"i1": ("retrieval", "excluded"), "i3": ("retrieval", "request_filter")}
    explained = shop.explained(k=1, candidates=("i0", "i4"))
    assert dropped(explained) == {"i4": ("reranking", "others_scored_higher")}
    assert explained["num_dropped"] == [{"stage": "reranking", "why": "others_scored_higher", "num": 1}]


def test_dropped_items_are_named_up_to_a_bound_and_counted_all(
    shop: Any, retrieving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_explanation, "MAX_DROPPED", 2)
    explained = shop.explained(k=1)
    assert [each["item_id"] for each in explained["dropped"]] == ["i1", "i2"]
    assert [each["num"] for each in explained["num_dropped"]] == [4]


def test_moves_are_followed_through_the_stages(shop: Any, retrieving: Any) -> None:
    overrides = Overrides(boosts=({"when": "item.id = 'i4'", "add": 3.0},))
    explained = shop.explained(k=2, overrides=overrides)
    first = explained["items"][0]
    assert (first["item_id"], first["place"]) == ("i4", 1)
    assert (first["ranks"]["retrieval"], first["ranks"]["boosts"]) == (5, 1)
    cosine = float(np.cos(np.radians(80)))
    assert (first["scores"]["retrieval"], first["scores"]["boosts"]) == (
        pytest.approx(cosine, abs=1e-6),
        pytest.approx(cosine + 3, abs=1e-6),
    )
    assert [rule["stage"] for rule in first["rules"]] == ["boosts"]
    assert explained["items"][1]["rules"] == []


def test_promotions_and_caps_say_what_they_did(shop: Any, retrieving: Any) -> None:
    for number in range(5):
        shop.write(f"i{number}", kind="book" if number < 3 else "film")
    shop.poll()
    document = {
        "promotions": [{"name": "launch", "items": ["i4"], "slots": [1]}],
        "caps": [{"property": "kind", "max_items": 1}],
    }
    shop.deploy(retrieving, document=document, revision=5)
    explained = shop.explained(k=3)
    assert [(item["item_id"], item["promotion"]) for item in explained["items"]] == [("i4", "launch"), ("i0", None)]
    assert explained["revision"] == 5
    assert {item_id: stage for item_id, (stage, _) in dropped(explained).items()} == {
        "i1": "caps",
        "i2": "caps",
        "i3": "caps",
    }


def test_score_is_told_by_task_and_by_input(shop: Any, retrieving: Any, ranking: Any) -> None:
    shop.write_user("u", country="de")
    for number in range(5):
        shop.write(f"i{number}", price=float(number))
    shop.poll()
    shop.deploy(retrieving, ranking)
    reply = shop.recommend(k=5)
    explained = shop.explained(k=5)
    assert explained["num_ranked"] == 5
    assert [model["role"] for model in explained["models"]] == ["retrieval", "ranking"]
    assert [model["sequence"] for model in explained["models"]] == [model.sequence for model in reply.models]
    for place, item in enumerate(explained["items"]):
        assert item["model_score"] == pytest.approx(reply.items[place].score)
        (task,) = item["tasks"].values()
        assert task == pytest.approx(item["model_score"])
        assert item["contributions"].keys() == {"user", "country", "history", "item", "price", "hour"}
        assert (item["contributions"]["history"], item["contributions"]["hour"]) == (0.0, 0.0)
        assert item["contributions"]["item"] != 0.0
        assert item["ranks"]["model"] == place + 1


def test_timings_name_each_stage(shop: Any, retrieving: Any) -> None:
    stages = [stage["stage"] for stage in shop.explained()["stages"]]
    assert stages == ["retrieval", "ranking", "reranking", "answer"]


def test_the_other_questions_are_explained_too(shop: Any, retrieving: Any) -> None:
    ranked = shop.explained(ask=Ask.RANK, candidates=("i2", "i1"))
    assert [item["item_id"] for item in ranked["items"]] == ["i1", "i2"]
    similar = shop.explained(ask=Ask.SIMILAR, item_id="i4", k=1)
    assert similar["items"][0]["sources"][0]["name"] == "similar"
    empty = shop.explained(filter="item.price > 5")
    assert (empty["items"], empty["details"]) == ([], ["no item fulfils the filters and may be answered otherwise"])
