"""Amazon Personalize's calls through boto3, as its users make them, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from django.test import Client as Browser

from engine.serving.requests import Ask, ScoredItem
from engine.spec.event import Event
from engine.streams import topics
from tests.webapp.metrics_text import value_of
from tests.webapp.replica_server import REPLY, Answers
from webapp.accounts.models import ApiKey, Project, Scope
from webapp.accounts.services import api_key_create, api_key_revoke
from webapp.catalog.selectors import item_get, user_get
from webapp.compat.personalize.keys import access_key_id, secret_access_key
from webapp.core.log import event_log
from webapp.core.remembered import forget_everything

CAMPAIGN = "arn:aws:personalize:us-east-1:1:campaign/main"
SENT_AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
Client = Callable[..., Any]


@pytest.fixture
def client(live_server: Any, key: tuple[ApiKey, str]) -> Client:
    """A boto3 client of a service; `secret` and `key_of` replace the right ones."""

    def make(service: str, *, secret: str | None = None, api_key: ApiKey = key[0]) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"{live_server.url}/personalize",
            region_name="us-east-1",
            aws_access_key_id=access_key_id(api_key),
            aws_secret_access_key=secret or secret_access_key(api_key),
            config=Config(retries={"max_attempts": 0}),
        )

    return make


def events_of(project: Project) -> list[Event]:
    return [Event.from_bytes(record.value) for record in event_log().read(topics.events(project.slug), 0, 0)]


def test_it_is_counted_as_our_own_calls_are(client: Client, answers: Answers, shop: Project) -> None:
    before = Browser().get("/metrics").content.decode()
    runtime = client("personalize-runtime")
    runtime.get_personalized_ranking(campaignArn=CAMPAIGN, userId="ann", inputList=["tea"])
    runtime.get_recommendations(campaignArn=CAMPAIGN, itemId="oil")
    refused(lambda: runtime.get_recommendations(campaignArn=CAMPAIGN, userId="ann", numResults=501))
    stranger = client("personalize-runtime", secret="not the secret")
    refused(lambda: stranger.get_recommendations(campaignArn=CAMPAIGN, userId="ann"))
    after = Browser().get("/metrics").content.decode()
    for labels in (
        {"project": "shop", "call": "rank", "status": "200"},
        {"project": "shop", "call": "similar", "status": "200"},
        {"project": "shop", "call": "recommend", "status": "400"},
        {"project": "", "call": "recommend", "status": "403"},
    ):
        counted = [value_of(text, "freshet_requests_total", **labels) for text in (before, after)]
        assert counted[1] - counted[0] == 1, labels


def test_it_recommends(client: Client, answers: Answers, shop: Project) -> None:
    found = client("personalize-runtime").get_recommendations(
        campaignArn=CAMPAIGN,
        userId="ann",
        numResults=2,
        context={"DEVICE": "phone"},
        filterArn="arn:aws:personalize:us-east-1:1:filter/item.price < $most and item.title in $titles",
        filterValues={"MOST": "40", "TITLES": '"Tea","Jam"'},
    )
    assert [(item["itemId"], item["score"]) for item in found["itemList"]] == [("tea", 0.9), ("jam", 0.4)]
    (asked,) = answers.requests
    assert (asked.ask, asked.deployment, asked.user_id, asked.k) == (Ask.RECOMMEND, "main", "ann", 2)
    assert (asked.context, asked.parameters) == ({"device": "phone"}, {"most": 40, "titles": ["Tea", "Jam"]})
    assert asked.filter == "item.price < $most and item.title in $titles"
    (shown,) = events_of(shop)
    assert shown.recommendation_id == found["recommendationId"]


def test_it_answers_the_metadata_asked_for(client: Client, answers: Answers) -> None:
    answers.reply = replace(
        REPLY, items=[ScoredItem("tea", 0.9, "two_tower", properties={"price": 3.5, "title": None})]
    )
    found = client("personalize-runtime").get_recommendations(
        recommenderArn="arn:aws:personalize:::recommender/default",
        userId="ann",
        metadataColumns={"ITEMS": ["PRICE", "TITLE"]},
    )
    assert found["itemList"] == [{"itemId": "tea", "score": 0.9, "metadata": {"price": "3.5"}}]
    assert answers.requests[0].fields == ("price", "title")


def test_it_answers_items_like_an_item(client: Client, answers: Answers) -> None:
    client("personalize-runtime").get_recommendations(campaignArn=CAMPAIGN, itemId="oil")
    assert (answers.requests[0].ask, answers.requests[0].item_id) == (Ask.SIMILAR, "oil")


def test_it_ranks_and_puts_unknown_items_last(client: Client, answers: Answers) -> None:
    answers.reply = replace(REPLY, unknown=("gone",))
    found = client("personalize-runtime").get_personalized_ranking(
        campaignArn=CAMPAIGN, userId="ann", inputList=["gone", "jam", "tea"]
    )
    assert [item["itemId"] for item in found["personalizedRanking"]] == ["tea", "jam", "gone"]
    assert (answers.requests[0].ask, answers.requests[0].candidates) == (Ask.RANK, ("gone", "jam", "tea"))


def test_it_takes_events_once(client: Client, shop: Project) -> None:
    events = client("personalize-events")
    click = {
        "eventType": "click",
        "sentAt": SENT_AT,
        "itemId": "tea",
        "eventValue": 2.5,
        "properties": '{"device": "tv"}',
    }
    shown = {"eventType": "click", "sentAt": SENT_AT, "itemId": "jam", "impression": ["jam", "tea"], "eventId": "e2"}
    for _ in range(2):
        events.put_events(trackingId="shop", sessionId="s1", userId="ann", eventList=[click, shown])
    found = events_of(shop)
    assert [(event.type, event.item_ids, event.user_id) for event in found] == [
        ("click", ("tea",), "ann"),
        ("click", ("jam",), "ann"),
        ("impression", ("jam", "tea"), "ann"),
    ]
    assert found[0].properties == {"value": 2.5, "device": "tv"}
    assert found[0].timestamp_ms == int(SENT_AT.timestamp() * 1000)


def test_it_knows_an_anonymous_session_as_a_user_of_its_own(client: Client, shop: Project) -> None:
    event = {"eventType": "click", "sentAt": SENT_AT, "itemId": "tea", "recommendationId": "r1"}
    client("personalize-events").put_events(trackingId="shop", sessionId="s1", eventList=[event])
    (found,) = events_of(shop)
    assert (found.user_id, found.recommendation_id) == ("s1", "r1")


def test_it_takes_items_and_users(client: Client, shop: Project) -> None:
    events = client("personalize-events")
    arn = "arn:aws:personalize:us-east-1:1:dataset/shop"
    events.put_items(datasetArn=f"{arn}/ITEMS", items=[{"itemId": "tea", "properties": '{"title": "Tea", "price": 3}'}])
    events.put_users(datasetArn=f"{arn}/USERS", users=[{"userId": "ann", "properties": '{"country": "fr"}'}])
    assert item_get(project=shop, item_id="tea").properties == {"title": "Tea", "price": 3.0}
    assert user_get(project=shop, user_id="ann").properties == {"country": "fr"}


def refused(call: Callable[[], object]) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as raised:
        call()
    error = raised.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


def test_it_refuses_in_amazon_s_words(client: Client, answers: Answers, shop: Project) -> None:
    runtime, events = client("personalize-runtime"), client("personalize-events")
    code, status, _ = refused(lambda: runtime.get_recommendations(campaignArn=CAMPAIGN + "s", userId="ann"))
    assert (code, status) == ("ResourceNotFoundException", 404)
    code, status, message = refused(lambda: runtime.get_recommendations(campaignArn="main", userId="ann"))
    assert (code, status, "campaignArn" in message) == ("InvalidInputException", 400, True)
    code, _, message = refused(
        lambda: runtime.get_recommendations(campaignArn=CAMPAIGN, userId="ann", promotions=[{"name": "p"}])
    )
    assert (code, "not supported" in message) == ("InvalidInputException", True)
    bad = {"eventType": "wink", "sentAt": SENT_AT, "itemId": "tea"}
    good = {"eventType": "click", "sentAt": SENT_AT, "itemId": "tea"}
    code, _, message = refused(lambda: events.put_events(trackingId="shop", sessionId="s", eventList=[bad, good]))
    assert (code, message.startswith("1 of 2 were refused"), "0: type" in message) == (
        "InvalidInputException",
        True,
        True,
    )
    assert len(events_of(shop)) == 1
    code, *_ = refused(lambda: events.put_events(trackingId="rival", sessionId="s", eventList=[good]))
    assert code == "ResourceNotFoundException"
    items = [{"itemId": "tea"}]
    code, *_ = refused(lambda: events.put_items(datasetArn="arn:aws:personalize:::dataset/rival/ITEMS", items=items))
    assert code == "ResourceNotFoundException"


def test_it_refuses_who_does_not_know_the_secret_or_has_lost_the_key(
    client: Client, answers: Answers, shop: Project, key: tuple[ApiKey, str]
) -> None:
    def ask(**given: Any) -> object:
        return client("personalize-runtime", **given).get_recommendations(campaignArn=CAMPAIGN, userId="ann")

    assert refused(lambda: ask(secret="guessed"))[:2] == ("InvalidSignatureException", 403)
    writer, _ = api_key_create(project=shop, name="writer", scopes=[Scope.INGEST])
    assert refused(lambda: ask(api_key=writer))[:2] == ("AccessDeniedException", 403)
    api_key_revoke(api_key=key[0])
    forget_everything()
    assert refused(ask)[:2] == ("UnrecognizedClientException", 403)
    assert answers.requests == []
