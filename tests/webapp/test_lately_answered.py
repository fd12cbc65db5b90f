"""What is answered while no replica does."""

from __future__ import annotations

from webapp.serving.lately import LatelyAnswered


def test_it_answers_what_was_answered_most_often_then_by_id() -> None:
    lately = LatelyAnswered()
    for items in (["tea", "jam"], ["tea", "oil"], ["tea"], ["zinc"]):
        lately.note("main", items)
    assert lately.best("main", 3) == [("tea", 0.75), ("jam", 0.25), ("oil", 0.25)]
    assert lately.best("other", 3) == []


def test_it_forgets_the_oldest_answers() -> None:
    lately = LatelyAnswered(num_answers=2)
    for items in (["tea"], ["jam"], ["oil"]):
        lately.note("main", items)
    assert lately.best("main", 5) == [("jam", 0.5), ("oil", 0.5)]


def test_it_keeps_the_keys_used_last() -> None:
    lately = LatelyAnswered(max_keys=2)
    for key in ("a", "b", "a", "c"):
        lately.note(key, ["tea"])
    assert [key for key in "abc" if lately.best(key, 1)] == ["a", "c"]


def test_it_leaves_out_what_is_excluded_and_keeps_to_candidates() -> None:
    lately = LatelyAnswered()
    lately.note("main", ["tea", "jam", "oil"])
    assert [item for item, _ in lately.best("main", 5, exclude=["jam"])] == ["oil", "tea"]
    assert lately.best("main", 5, candidates=["new", "tea"]) == [("tea", 1.0), ("new", 0.0)]
