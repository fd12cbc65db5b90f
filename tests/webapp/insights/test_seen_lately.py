"""What was marked is not marked again for a while."""

from __future__ import annotations

from webapp.insights.seen_lately import SeenLately


def test_it_names_each_item_until_it_is_noted_and_each_project_apart() -> None:
    seen = SeenLately()
    assert seen.without_known(1, ["tea", "jam"]) == {"tea", "jam"}
    seen.note(1, {"tea"})
    assert seen.without_known(1, ["tea", "jam"]) == {"jam"}
    assert seen.without_known(2, ["tea"]) == {"tea"}


def test_it_names_an_item_again_after_a_while() -> None:
    now_s = 50.0
    seen = SeenLately(kept_s=10.0, clock=lambda: now_s)
    seen.note(1, {"tea"})
    now_s = 59.0
    assert seen.without_known(1, ["tea"]) == set()
    now_s = 60.0
    assert seen.without_known(1, ["tea"]) == {"tea"}
    seen.note(1, {"tea"})
    assert seen.without_known(1, ["tea"]) == set()


def test_it_holds_no_more_than_it_may() -> None:
    seen = SeenLately(max_items=2)
    seen.note(1, {"a", "b"})
    seen.note(1, {"c"})
    assert seen.without_known(1, ["a", "b", "c"]) == {"a", "b"}
