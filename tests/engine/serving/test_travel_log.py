"""When a replica reached each sequence and why it started anew."""

from __future__ import annotations

from dataclasses import replace

from engine.serving.travel_log import Reached, Resynced, TravelLog
from engine.sync.delta import TrainedThrough
from engine.sync.status import ReplicaStatus

AT_START = ReplicaStatus(
    is_ready=True,
    sequence=0,
    trainer_sequence=9,
    trained_through=TrainedThrough(),
    age_s=None,
    num_deltas_applied=0,
    num_rows_applied=0,
    num_deletes_applied=0,
    num_bytes_applied=0,
    num_repeats=0,
    num_resyncs=0,
)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_each_sequence_is_noted_once_with_the_moment_it_was_served() -> None:
    clock = Clock()
    log = TravelLog(clock)
    for now_s, sequence in ((100.0, 0), (100.5, 3), (101.0, 3), (101.5, 4)):
        clock.now_s = now_s
        log.note(replace(AT_START, sequence=sequence))
    assert log.take().reached == (Reached(3, 100_500), Reached(4, 101_500))
    assert log.take().reached == ()


def test_a_resync_says_why_and_from_where_to_where() -> None:
    log = TravelLog(Clock())
    log.note(replace(AT_START, sequence=5))
    torn = replace(AT_START, sequence=8, num_resyncs=1, resyncs_by_cause={"gap": 1}, last_error="delta 7 is missing")
    log.note(torn)
    log.note(replace(torn, sequence=9, num_resyncs=2, resyncs_by_cause={"gap": 1, "asked": 1}))
    assert log.take().resyncs == (
        Resynced("gap", 100_000, 5, 8, "delta 7 is missing"),
        Resynced("asked", 100_000, 8, 9, ""),
    )


def test_the_newest_status_is_taken_even_where_nothing_moved() -> None:
    log = TravelLog(Clock())
    assert log.take().status is None
    log.note(replace(AT_START, sequence=5, verified_sequence=4))
    log.note(replace(AT_START, sequence=5, verified_sequence=5))
    status = log.take().status
    assert status is not None
    assert status.verified_sequence == 5
