from __future__ import annotations

from pathlib import Path

from engine.serving import degraded
from engine.serving.deadline import Deadline, UsualTime
from engine.serving.degraded import Degraded, Reasons, joined

EXPLAIN = Path(__file__).parents[3] / "docs" / "explain.md"


def test_words_come_once_in_order_and_details_all() -> None:
    reasons = Reasons()
    assert reasons.text is None
    reasons.add(Degraded.NO_MODEL, "model a has none")
    reasons.add(Degraded.EMPTY_USER, "nobody")
    reasons.add(Degraded.NO_MODEL, "model b has none")
    assert reasons.text == "no_model, empty_user"
    assert reasons.details == ["model a has none", "nobody", "model b has none"]
    assert Degraded.EMPTY_USER in reasons
    assert Degraded.DEADLINE not in reasons


def test_a_word_is_added_to_those_of_a_reply() -> None:
    assert joined(None, Degraded.IMPRESSION_NOT_LOGGED) == "impression_not_logged"
    assert joined("deadline", Degraded.IMPRESSION_NOT_LOGGED) == "deadline, impression_not_logged"
    assert joined("deadline, no_model", Degraded.DEADLINE) == "deadline, no_model"


def test_every_word_is_explained() -> None:
    for word in Degraded:
        (line,) = (line for line in (degraded.__doc__ or "").splitlines() if line.startswith(f"| {word.value} |"))
        assert line in EXPLAIN.read_text().splitlines()


def test_deadline_allows_what_ends_before_it() -> None:
    now_s = [10.0]
    deadline = Deadline(lambda: now_s[0], 0.5)
    assert deadline.allows(0.4)
    now_s[0] = 10.2
    assert not deadline.allows(0.4)
    assert Deadline(lambda: now_s[0], None).allows(1e9)


def test_usual_time_begins_with_the_first_and_follows_slowly() -> None:
    usual = UsualTime()
    assert usual.seconds == 0.0
    usual.note(0.010)
    assert usual.seconds == 0.010
    usual.note(0.030)
    assert usual.seconds == 0.011
