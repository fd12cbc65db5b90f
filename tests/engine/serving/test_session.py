from __future__ import annotations

from engine.features.histories import History
from engine.serving.requests import SessionEvent
from engine.serving.session import with_session
from engine.spec.schema import Schema

SCHEMA = Schema.parse({"events": {"click": {}, "buy": {}, "impression": {"role": "impression"}}})
KNOWN = History(("a", "b"), ("click", "click"), (1, 2))


def test_what_was_just_done_comes_last_and_each_item_once() -> None:
    session = (SessionEvent("buy", "a", 7), SessionEvent("click", "c", 8))
    assert with_session(KNOWN, session, SCHEMA, 5) == History(("b", "a", "c"), ("click", "buy", "click"), (2, 7, 8))


def test_the_history_keeps_its_length() -> None:
    session = (SessionEvent("click", "c", 8), SessionEvent("click", "d", 9))
    assert with_session(KNOWN, session, SCHEMA, 3).item_ids == ("b", "c", "d")


def test_what_was_only_seen_or_is_not_declared_is_no_action() -> None:
    session = (SessionEvent("impression", "c", 8), SessionEvent("other", "d", 9))
    assert with_session(KNOWN, session, SCHEMA, 5) is KNOWN


def test_nobody_has_the_session_alone() -> None:
    assert with_session(History(), (SessionEvent("click", "c", 8),), SCHEMA, 5) == History(("c",), ("click",), (8,))
