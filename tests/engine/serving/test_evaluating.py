"""Answers for nobody: under a document that is not served, for an asker of then; and for how many items an expression holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from engine.errors import InvalidDocument, ReplicaUnavailable
from engine.serving import pipeline_explanation
from engine.serving.client import ReplicaClient
from engine.serving.requests import AsOf, Count, CountRequest, EvaluateRequest, RecommendRequest
from engine.serving.server import ReplicaServer
from engine.serving.wire import replica_pb2 as wire

PINNED = {"promotions": [{"name": "first", "items": ["i4"], "slots": [1]}]}


@pytest.fixture
def client(shop: Any) -> Iterator[ReplicaClient]:
    server = ReplicaServer(shop.replica)
    server.start()
    with ReplicaClient(f"127.0.0.1:{server.port}", timeout_s=30.0) as client:
        yield client
    server.stop(grace_s=0.0)


def ids(reply: Any) -> list[str]:
    return [item.item_id for item in reply.items]


def test_document_given_rules_the_answer_and_the_one_served_stays(
    shop: Any, retrieving: Any, client: ReplicaClient
) -> None:
    shop.deploy(retrieving, document={"retrieval": {"max_candidates": 3}}, revision=7)
    request = RecommendRequest("shop", "main", "u", k=3)
    drafted = client.evaluate(EvaluateRequest(request, document=PINNED))
    assert (ids(drafted), drafted.revision) == (["i4", "i0", "i1"], 0)
    assert drafted.models == client.recommend(request).models
    served = client.evaluate(EvaluateRequest(request))
    assert (ids(served), served.revision) == (["i0", "i1", "i2"], 7)
    assert shop.items(k=3) == ["i0", "i1", "i2"]


def test_document_that_does_not_fit_names_its_field(shop: Any, retrieving: Any, client: ReplicaClient) -> None:
    request = RecommendRequest("shop", "main", "u")
    for document, field in (({"filter": "item.prize < 3"}, "filter"), ({"caps": 3}, "caps")):
        with pytest.raises(InvalidDocument) as caught:
            client.evaluate(EvaluateRequest(request, document=document))
        assert [problem.field for problem in caught.value.problems] == [field]


def test_asker_of_then_has_the_history_and_properties_of_then(
    shop: Any, retrieving: Any, client: ReplicaClient
) -> None:
    shop.write_user("u", country="de")
    shop.click("u", "i1")
    shop.poll()
    then = AsOf({"country": "fr"}, ("i3",), ("click",), (900_000,), 950_000)
    reply = client.evaluate(EvaluateRequest(RecommendRequest("shop", "main", "u", k=2), as_of=then))
    features = reply.features
    assert (features["user"], features["history"], features["time_ms"]) == ({"country": "fr"}, ["i3"], 950_000)
    assert shop.recommend().features["history"] == ["i1"]


def test_asker_of_then_without_a_time_for_each_item_is_refused(
    shop: Any, retrieving: Any, client: ReplicaClient
) -> None:
    with pytest.raises(InvalidDocument) as caught:
        client.evaluate(EvaluateRequest(RecommendRequest("shop", "main", "u"), as_of=AsOf({}, ("i3",))))
    assert [problem.field for problem in caught.value.problems] == ["as_of"]


def test_what_one_asks_about_is_named_first_of_what_was_dropped(
    shop: Any, retrieving: Any, client: ReplicaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_explanation, "MAX_DROPPED", 2)
    request = RecommendRequest("shop", "main", "u", k=1, explain=True)
    explained = orjson.loads(client.evaluate(EvaluateRequest(request, about=("i3", "nobody"))).explanation_json)
    assert [each["item_id"] for each in explained["dropped"]] == ["i3", "i1"]
    assert [each["num"] for each in explained["num_dropped"]] == [4]


def test_items_are_counted_for_each_expression_of_those_that_may_be_answered(
    shop: Any, retrieving: Any, client: ReplicaClient
) -> None:
    shop.write("i0", price=5.0)
    shop.write("i1", price=50.0)
    shop.hide("i4", price=5.0)
    shop.write_user("u", country="de")
    shop.poll()
    expressions = (
        ("filter", "item.price < $max"),
        ("boosts.0.when", "item.prize = 1"),
        ("boosts.1.when", "user.country = 'de'"),
        ("boosts.2.when", "item.price < $other"),
    )
    reply = client.count_items(CountRequest("shop", "main", expressions, "u", parameters={"max": 10}))
    assert reply.num_items == 4
    assert [each.num_holding for each in reply.counts] == [1, None, 4, None]
    misspelt, wanting = reply.counts[1].problems[0], reply.counts[3].problems[0]
    assert (misspelt.field, "at character 1" in misspelt.rule) == ("boosts.0.when", True)
    assert (wanting.field, wanting.rule) == ("parameters.other", "is needed by an expression, as a number")
    assert reply.counts[0] == Count(1)


def test_replica_of_before_says_that_it_is_older(
    client: ReplicaClient, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = client._channel.unary_unary(
        "/freshet.serving.v1.Replica/NotYet",
        request_serializer=wire.EvaluateRequest.SerializeToString,
        response_deserializer=wire.RecommendReply.FromString,
    )
    monkeypatch.setattr(client, "_evaluate", unknown)
    with pytest.raises(ReplicaUnavailable, match="is of an older release"):
        client.evaluate(EvaluateRequest(RecommendRequest("shop", "main", "u")))
