"""The Python client's calls against a real server that answers as told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from freshet_client import Event, Freshet, Invalid, Item, NotAnswered, NotFound, Refused, Retrying, SessionEvent

from tests.clients.scripted_server import Said, Script, scripted_server

ANSWER: dict[str, Any] = {
    "recommendation_id": "r1",
    "items": [{"item_id": "tea", "score": 0.5, "source": "two_tower", "properties": {"price": 3}}],
    "deployment": "main",
    "models": [{"role": "ranking", "name": "ranker", "version": 2, "sequence": 9, "age_s": 0.5, "events_through": {}}],
    "degraded": None,
    "next": "more",
    "of_a_newer_server": True,
}
TAKEN = {"accepted": 1, "repeated": 0, "rejected": 0, "schema_version": 1, "results": []}


@contextmanager
def asking(*answers: Said, num_tries: int = 4) -> Iterator[tuple[Freshet, Script, list[float]]]:
    """Pauses are noted and not made; half of the longest is drawn."""
    pauses: list[float] = []
    retrying = Retrying(num_tries=num_tries, draw=lambda: 0.5, sleep=pauses.append)
    with scripted_server(*answers) as script, Freshet(script.address, "fk_1", retrying=retrying) as freshet:
        yield freshet, script, pauses


def test_recommend_with_everything_says_what_it_was_told() -> None:
    with asking(Said(body=ANSWER)) as (freshet, script, _):
        answer = freshet.recommend(
            "ann",
            k=3,
            session=[SessionEvent("click", "jam", 5)],
            filter="item.price < $most",
            parameters={"most": 4},
            seed=7,
        )
    assert script.asked == [
        (
            "POST",
            "/api/v1/recommend",
            {
                "user_id": "ann",
                "k": 3,
                "session": [{"type": "click", "item_id": "jam", "timestamp": 5}],
                "filter": "item.price < $most",
                "parameters": {"most": 4},
                "seed": 7,
            },
        )
    ]
    assert script.keys == ["Bearer fk_1"]
    (item,) = answer.items
    assert (item.item_id, item.score, item.source, item.properties) == ("tea", 0.5, "two_tower", {"price": 3})
    assert (answer.recommendation_id, answer.next, answer.models[0].sequence) == ("r1", "more", 9)
    assert answer.raw["of_a_newer_server"] is True


@pytest.mark.parametrize("busy", [Said(status=429), Said(status=503), Said(hangs_up=True)])
def test_call_of_a_busy_server_is_made_again_after_growing_pauses(busy: Said) -> None:
    with asking(busy, busy, Said(body=ANSWER)) as (freshet, script, pauses):
        assert freshet.rank("ann", ["tea"]).items[0].item_id == "tea"
    assert len(script.asked) == 3
    assert pauses == [0.05, 0.1]


def test_retry_after_is_the_least_pause_and_too_long_a_one_ends_the_tries() -> None:
    with asking(Said(status=429, headers={"Retry-After": "2"}), Said(body=ANSWER)) as (freshet, _, pauses):
        freshet.similar("tea")
        assert pauses == [2.0]
    late = Said(429, {"code": "throttled", "message": "later", "extra": {}}, {"Retry-After": "600"})
    with asking(late) as (freshet, script, pauses):
        with pytest.raises(Exception, match="later"):
            freshet.similar("tea")
        assert (len(script.asked), pauses) == (1, [])


def test_call_of_a_server_that_never_answers_is_given_up_after_all_tries() -> None:
    with asking(Said(hangs_up=True), num_tries=3) as (freshet, script, pauses):
        with pytest.raises(NotAnswered, match="after 3 tries"):
            freshet.recommend("ann")
        assert (len(script.asked), len(pauses)) == (3, 2)


@pytest.mark.parametrize(("status", "kind"), [(400, Invalid), (401, Refused), (403, Refused), (404, NotFound)])
def test_refusal_is_raised_once_in_the_server_s_words(status: int, kind: type[Exception]) -> None:
    problem = {"field": "k", "rule": "must be from 1 to 500", "received": "0"}
    body = {"code": "said", "message": "no", "extra": {"problems": [problem]}}
    with asking(Said(status, body)) as (freshet, script, _):
        with pytest.raises(kind) as raised:
            freshet.recommend("ann", k=0)
        assert len(script.asked) == 1
    error: Any = raised.value
    assert (error.status, error.code, error.message) == (status, "said", "no")
    if isinstance(error, Invalid):
        assert error.problems == [problem]


def test_events_keep_their_ids_through_a_second_try() -> None:
    with asking(Said(status=503), Said(body=TAKEN)) as (freshet, script, _):
        sent = freshet.send_events([Event("click", "ann", "tea", recommendation_id="r1")])
    assert (sent.num_accepted, sent.rejected) == (1, ())
    (first, second) = [body["events"][0] for _, _, body in script.asked]
    assert first == second
    assert len(first["event_id"]) == 32
    assert first["timestamp"] > 1_700_000_000_000


def test_long_list_goes_in_several_calls_and_rejected_rows_are_counted_from_its_beginning() -> None:
    refused = [{"index": 2, "id": "1002", "status": "rejected", "problems": [{"field": "properties.x"}]}]
    some = Said(body={"written": 1000, "rejected": 0, "results": [{"index": 0, "id": "0", "status": "written"}]})
    rest = Said(status=400, body={"written": 0, "rejected": 1, "results": refused})
    with asking(some, rest) as (freshet, script, _):
        written = freshet.put_items(Item(str(number), hidden=number == 0) for number in range(1003))
    assert [len(body["items"]) for _, _, body in script.asked] == [1000, 3]
    assert script.asked[0][2]["items"][:2] == [
        {"id": "0", "properties": {}, "hidden": True},
        {"id": "1", "properties": {}},
    ]
    assert written.num_written == 1000
    assert [(row.index, row.id) for row in written.rejected] == [(1002, "1002")]


def test_id_with_a_slash_stays_one_id() -> None:
    with asking(Said(body={"id": "a/b ?"})) as (freshet, script, _):
        freshet.get_item("a/b ?")
        freshet.delete_user("a/b ?")
    assert [path for _, path, _ in script.asked] == ["/api/v1/items/a%2Fb%20%3F", "/api/v1/users/a%2Fb%20%3F"]
