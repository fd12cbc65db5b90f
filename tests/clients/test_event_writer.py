"""Events in batches from a thread: none lost while the server takes them, all accounted for when it does not."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from freshet_client import Event, EventWriter, IngestAnswer, NotAnswered, QueueFull, RejectedRow

LONG_S = 3600.0


class Sent:
    """What was sent, batch by batch; waits at `gate` while it is closed."""

    def __init__(self, rejects: str = "") -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.error: Exception | None = None
        self._rejects = rejects

    def __call__(self, events: Sequence[Event]) -> IngestAnswer:
        self.entered.release()
        self.gate.wait(30)
        if self.error is not None:
            raise self.error
        self.batches.append([event.user_id for event in events])
        rows = [RejectedRow(place, e.event_id, ()) for place, e in enumerate(events) if e.user_id == self._rejects]
        return IngestAnswer(len(events) - len(rows), 0, tuple(rows))


def click(user_id: str) -> Event:
    return Event("click", user_id, "tea")


def test_full_batch_leaves_at_once_and_the_rest_at_the_end() -> None:
    sent = Sent()
    with EventWriter(sent, batch_events=3, longest_wait_s=LONG_S) as writer:
        for number in range(3):
            writer.add(click(str(number)))
        assert sent.entered.acquire(timeout=30)
        writer.add(click("3"))
    assert sent.batches == [["0", "1", "2"], ["3"]]


def test_lone_event_leaves_when_it_has_waited() -> None:
    sent = Sent()
    with EventWriter(sent, batch_events=100, longest_wait_s=0.01) as writer:
        writer.add(click("a"))
        assert sent.entered.acquire(timeout=30)


def test_flush_returns_when_everything_is_sent_and_says_when_it_is_not() -> None:
    sent = Sent()
    sent.gate.clear()
    with EventWriter(sent, batch_events=2, longest_wait_s=LONG_S) as writer:
        for name in "abc":
            writer.add(click(name))
        assert writer.flush(timeout_s=0.01) is False
        sent.gate.set()
        assert writer.flush(timeout_s=30) is True
        assert sent.batches == [["a", "b"], ["c"]]


def test_writer_that_is_full_refuses_and_keeps_what_it_has() -> None:
    sent = Sent()
    sent.gate.clear()
    with EventWriter(sent, batch_events=1, longest_wait_s=LONG_S, max_waiting=2) as writer:
        writer.add(click("a"))
        assert sent.entered.acquire(timeout=30)  # "a" is under way, no longer waiting
        writer.add(click("b"))
        writer.add(click("c"))
        with pytest.raises(QueueFull, match="2 events wait"):
            writer.add(click("d"))
        sent.gate.set()
    assert sent.batches == [["a"], ["b"], ["c"]]


def test_rejected_and_failed_events_are_told_and_the_thread_goes_on() -> None:
    sent = Sent(rejects="bad")
    rejected: list[str] = []
    failed: list[str] = []

    def on_failed(events: list[Event], error: Exception) -> None:
        failed.extend(f"{event.user_id}: {error}" for event in events)
        raise RuntimeError("a callback's own fault")

    writer = EventWriter(
        sent,
        batch_events=2,
        longest_wait_s=LONG_S,
        on_rejected=lambda event, row: rejected.append(event.user_id),
        on_failed=on_failed,
    )
    sent.error = NotAnswered("away")
    writer.add(click("lost"))
    assert writer.flush(timeout_s=30)
    sent.error = None
    for name in ("bad", "good"):
        writer.add(click(name))
    writer.close()
    writer.close()
    assert (failed, rejected, sent.batches) == (["lost: away"], ["bad"], [["bad", "good"]])
    with pytest.raises(ValueError, match="closed"):
        writer.add(click("late"))
