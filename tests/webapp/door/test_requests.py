"""Bodies of /recommend, /rank and /similar: what is taken, and how what is wrong is told."""

from __future__ import annotations

from typing import Any

import pytest

from engine.serving.requests import Ask, SessionEvent
from webapp.core.errors import Invalid
from webapp.serving.requests_reading import BODIES, read_call

NOW_MS = 1_770_000_000_000


@pytest.mark.parametrize(
    ("ask", "body", "fields"),
    [
        (Ask.RECOMMEND, {}, ["user_id"]),
        (Ask.RECOMMEND, {"user_id": "u", "k": 0, "limit": 5}, ["k", "limit"]),
        (Ask.RECOMMEND, {"user_id": "u", "k": True}, ["k"]),
        (Ask.RECOMMEND, {"user_id": "u", "k": 1.5}, ["k"]),
        (Ask.RECOMMEND, {"user_id": "u", "deployment": "a", "scenario": "b"}, ["scenario"]),
        (Ask.RECOMMEND, {"user_id": "u", "seed": -1}, ["seed"]),
        (Ask.RECOMMEND, {"user_id": "u", "timeout_ms": 4}, ["timeout_ms"]),
        (Ask.RECOMMEND, {"user_id": "u", "parameters": {"a": [1, "x"]}}, ["parameters.a"]),
        (Ask.RECOMMEND, {"user_id": "u", "parameters": {"a": {"b": 1}}}, ["parameters.a"]),
        (Ask.RECOMMEND, {"user_id": "u", "fields": ["title", "title"]}, ["fields"]),
        (Ask.RECOMMEND, {"user_id": "u", "session": [{"type": "click"}]}, ["session.0.item_id"]),
        (
            Ask.RECOMMEND,
            {"user_id": "u", "boosts": [{"when": "", "multiply": 0}]},
            ["boosts.0.when", "boosts.0.multiply"],
        ),
        (Ask.RECOMMEND, {"user_id": "u", "filter": "x" * 4001}, ["filter"]),
        (Ask.RANK, {"user_id": "u"}, ["candidates"]),
        (Ask.RANK, {"user_id": "u", "candidates": []}, ["candidates"]),
        (Ask.RANK, {"user_id": "u", "candidates": ["a"], "k": 3}, ["k"]),
        (Ask.RANK, {"candidates": ["a"]}, ["user_id"]),
        (Ask.SIMILAR, {"user_id": "u"}, ["item_id"]),
        (Ask.SIMILAR, {"item_id": "a\n"}, ["item_id"]),
        (Ask.SIMILAR, [1], ["(document)"]),
    ],
)
def test_it_names_the_broken_field(ask: Ask, body: Any, fields: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        read_call(ask, body, NOW_MS)
    assert [problem["field"] for problem in refused.value.extra["problems"]] == fields


def test_it_tells_what_it_received() -> None:
    with pytest.raises(Invalid) as refused:
        read_call(Ask.RECOMMEND, {"user_id": "u", "k": 501}, NOW_MS)
    (problem,) = refused.value.extra["problems"]
    assert (problem["field"], problem["received"]) == ("k", "501")
    assert "500" in problem["rule"]


def test_it_takes_a_body_of_before_as_it_was_taken() -> None:
    body = {"user_id": "u", "k": "7", "context": {}, "exclude": ["a"], "candidates": ["b"], "deployment": "main"}
    asked = read_call(Ask.RECOMMEND, body, NOW_MS)
    assert (asked.user_id, asked.k, asked.exclude, asked.candidates) == ("u", 7, ("a",), ("b",))
    assert (asked.deployment, asked.overrides, asked.timeout_ms) == ("main", None, None)


def test_a_session_stands_for_a_user_and_happened_now_unless_it_says_when() -> None:
    body = {"session": [{"type": "click", "item_id": "a", "timestamp": 5}, {"type": "view", "item_id": "b"}]}
    asked = read_call(Ask.RECOMMEND, body, NOW_MS)
    assert asked.user_id == ""
    assert asked.session == (SessionEvent("click", "a", 5), SessionEvent("view", "b", NOW_MS))


def test_explore_is_another_word_for_exploration_and_false_for_none() -> None:
    for said, expected in (({"explore": False}, "none"), ({"exploration": {"kind": "ucb"}}, "ucb")):
        overrides = read_call(Ask.RECOMMEND, {"user_id": "u", **said}, NOW_MS).overrides
        assert overrides is not None
        assert overrides.exploration is not None
        assert overrides.exploration["kind"] == expected
        assert (overrides.diversity, overrides.boosts) == (None, ())


def test_every_field_is_described() -> None:
    for body in BODIES.values():
        schema = body.model_json_schema()
        undescribed = [name for name, field in schema["properties"].items() if not field.get("description")]
        assert undescribed == []
