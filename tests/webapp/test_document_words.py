"""A deployment's document in words, and two of them compared line by line."""

from __future__ import annotations

from webapp.serving.document_words import Change, changes, document_lines


def test_it_says_every_part_in_words() -> None:
    lines = document_lines(
        {
            "filter": "item.price < 9",
            "boosts": [{"when": "item.new", "multiply": 2}, {"when": "item.new", "add": -1}],
            "promotions": [{"name": "ours", "items": ["a", "b"], "slots": [1, 3]}],
            "caps": [{"property": "topic", "max_items": 2}],
            "seen": {"policy": "demote", "demote_to": 0.25, "window_s": 60},
            "diversity": {"kind": "mmr", "by": "topic"},
        }
    )
    assert lines["Filter"] == "item.price < 9"
    assert lines["Boost where item.new"] == "score × 2"
    assert lines["Boost where item.new (2)"] == "score × 1 − 1"
    assert lines["Promotion ours"] == "a, b, into place 1, 3"
    assert lines["Cap on topic"] == "at most 2 alike"
    assert (lines["Seen items"], lines["Seen for"]) == ("demote to 0.25 of the score", "60 s")
    assert lines["Diversity"] == "mmr: by topic, strength 0.3, among 100"
    assert lines["Source nearest"] == "1st, at most 200"


def test_it_tells_what_came_went_and_changed() -> None:
    before = document_lines({"filter": "item.price < 9", "timeout_ms": 500})
    after = document_lines({"caps": [{"property": "topic", "max_items": 2}], "timeout_ms": 200})
    assert changes(before, after) == [
        Change("added", "Cap on topic", "", "at most 2 alike"),
        Change("changed", "Timeout", "500 ms", "200 ms"),
        Change("removed", "Filter", "item.price < 9", ""),
    ]
    assert changes(before, before) == []
