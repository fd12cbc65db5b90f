from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import InvalidDocument, LogError, ReplicaUnavailable
from engine.serving.requests import Ask, RecommendRequest
from engine.spec.definition import DeepFM
from engine.spec.event import Event
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog

Pointing = Callable[[float], list[float]]


def test_empty_catalogue_gives_an_empty_answer_and_its_reason(shop: Any) -> None:
    shop.deploy()
    reply = shop.recommend()
    assert (reply.items, reply.degraded) == ([], "empty_catalogue")


def test_deployment_without_models_gives_a_small_catalogue_by_trend_and_age(shop: Any) -> None:
    shop.write("old", "middle", "new")
    shop.click("a", "middle")
    shop.click("b", "middle")
    shop.click("b", "old")
    shop.click("c", "new", role=EventRole.IMPRESSION)
    shop.deploy()
    reply = shop.recommend()
    assert [(item.item_id, item.source) for item in reply.items] == [
        ("middle", "trending_1h"),
        ("old", "trending_1h"),
        ("new", "latest"),
    ]
    assert (reply.degraded, reply.models) == (None, [])


def test_deployment_without_models_fills_up_with_random_items_of_a_big_catalogue(shop: Any) -> None:
    shop.write(*(f"i{number}" for number in range(2000)))
    shop.click("a", "i7")
    shop.deploy()
    reply = shop.recommend(k=500)
    sources = [item.source for item in reply.items]
    # the quotas of the nearest's neighbours (60, 40, 20, 20) grown to 500
    assert sources[:72] == ["trending_1h"] + ["latest"] * 71
    assert set(sources[72:]) == {"random"}
    assert 400 < len({item.item_id for item in reply.items}) == len(sources)


def test_model_that_never_published_is_named_and_replaced_by_trending(shop: Any) -> None:
    shop.write("a", "b")
    shop.click("x", "a")
    shop.deploy(shop.retrieval_model())
    reply = shop.recommend()
    assert [item.item_id for item in reply.items] == ["a", "b"]
    assert (reply.degraded, reply.models) == ("no_model", [])


def test_model_that_learned_nothing_yet_counts_as_having_no_parameters(shop: Any) -> None:
    model = shop.retrieval_model()
    model.publish(dense=True)
    shop.write("a")
    shop.deploy(model)
    assert shop.recommend().degraded == "no_model"


def test_every_candidate_gone_gives_an_empty_answer_and_its_reason(shop: Any, retrieving: Any) -> None:
    everything = tuple(f"i{number}" for number in range(5))
    assert shop.recommend(exclude=everything).degraded == "nothing_left"
    reply = shop.recommend(candidates=("nowhere",))
    assert (reply.items, reply.degraded, reply.unknown) == ([], "unknown_candidates", ("nowhere",))


def test_gap_in_the_deltas_is_told_while_the_old_parameters_answer(
    shop: Any, retrieving: Any, pointing: Pointing
) -> None:
    topic = topics.params("shop", "near", 1)
    retrieving.set_row("user", "u", pointing(80))
    retrieving.publish()
    lost = shop.log._topics[topic][0].records.pop()
    retrieving.set_row("item", "i0", pointing(80))
    retrieving.publish()
    assert lost.offset == 2
    shop.poll()
    reply = shop.recommend(k=1)
    assert [item.item_id for item in reply.items] == ["i0"]
    assert reply.degraded == "model_stale"
    (why,) = shop.explained()["details"]
    assert why.startswith("model near v1 waits for a snapshot")
    assert [model.sequence for model in reply.models] == [2]


class UnsteadyLog(MemoryLog):
    """A log that can be cut off."""

    is_down = False

    def read(self, *args: Any, **fields: Any) -> Any:
        if self.is_down:
            raise LogError("the log is away")
        return super().read(*args, **fields)


def test_log_out_of_reach_is_told_and_forgotten_when_it_is_back(shop: Any, retrieving: Any) -> None:
    shop.log.__class__ = UnsteadyLog
    shop.log.is_down = True
    shop.write("new")
    shop.replica.poll()
    reply = shop.recommend(k=2)
    assert [item.item_id for item in reply.items] == ["i0", "i1"]
    assert reply.degraded == "catalogue_stale, model_stale"
    assert shop.explained()["details"] == [
        "catalogue and histories cannot be brought up to date: the log is away",
        "model near v1 cannot be brought up to date: the log is away",
    ]
    shop.log.is_down = False
    shop.poll()
    assert shop.recommend().degraded is None
    assert "new" in shop.items()


def test_record_that_cannot_be_read_is_stepped_over(shop: Any) -> None:
    for topic in (topics.catalog("shop"), topics.events("shop")):
        shop.log.append(topic, [Record("x", b"not json", 0)])
    shop.write("a")
    shop.deploy()
    assert shop.items() == ["a"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"k": 0}, "k"),
        ({"k": 501}, "k"),
        ({"user_id": "x" * 257}, "user_id"),
        ({"candidates": ("a",) * 2001}, "candidates"),
        ({"exclude": ("a",) * 10_001}, "exclude"),
        ({"shown": (1,) * 10_001}, "shown"),
        ({"ask": Ask.RANK}, "candidates"),
        ({"ask": Ask.SIMILAR}, "item_id"),
    ],
)
def test_request_out_of_bounds_names_its_field(shop: Any, fields: dict[str, Any], field: str) -> None:
    shop.deploy()
    with pytest.raises(InvalidDocument) as caught:
        shop.recommend(**fields)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_deployment_that_is_not_served_is_unavailable(shop: Any) -> None:
    with pytest.raises(ReplicaUnavailable, match="replica r-1 serves no deployment 'main' of project 'shop'"):
        shop.replica.recommend(RecommendRequest("shop", "main", "u"))


def test_ranking_model_is_refused_as_retrieval(shop: Any, retrieving: Any) -> None:
    definition = retrieving.ref.definition.model_copy(update={"architecture": DeepFM()})
    before = shop.items()
    with pytest.raises(InvalidDocument, match="retrieval: must be a retrieval model"):
        shop.deploy(shop.model("flat", definition))
    assert shop.items() == before


def test_what_others_took_together_comes_first_and_says_so(shop: Any) -> None:
    shop.write("cup", "saucer", "plate")
    shop.click("a", "cup")
    shop.click("a", "saucer")
    shop.click("u", "cup")
    shop.click("b", "plate")
    shop.deploy()
    items = shop.recommend("u").items
    assert [(item.item_id, item.source) for item in items] == [("saucer", "item_to_item"), ("plate", "trending_1h")]
    shop.click("c", "cup")
    shop.click("c", "plate")
    shop.click("d", "cup")
    shop.click("d", "plate")
    shop.poll()
    assert [item.item_id for item in shop.recommend("u").items] == ["plate", "saucer"]
    shop.delete("plate")
    shop.poll()
    assert [item.item_id for item in shop.recommend("u").items] == ["saucer"]


def test_event_dated_in_the_future_counts_as_of_its_receipt(shop: Any) -> None:
    shop.write("liar", "honest")
    now_ms = int(shop.now_s * 1000)
    ahead = Event("ahead", "click", EventRole.ACTION, "a", "liar", now_ms + 10**9, now_ms)
    shop.log.append(topics.events("shop"), [Record("a", ahead.to_bytes(), now_ms)])
    shop.click("b", "honest")
    shop.click("c", "honest")
    shop.deploy()
    assert shop.items() == ["honest", "liar"]
