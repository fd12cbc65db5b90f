"""A replay on a clock that the test owns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from webapp.catalog.importing.replaying import TICK_S, Replayer, ReplayProgress
from webapp.catalog.importing.rows import Row


class World:
    """A clock that moves by sleeping and by sending, and a note of what was sent when."""

    def __init__(self, send_takes_s: float = 0.0) -> None:
        self.now_s = 1000.0
        self.send_takes_s = send_takes_s
        self.sent: list[tuple[float, int]] = []

    def clock(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s

    def send(self, rows: Sequence[Row]) -> None:
        self.now_s += self.send_takes_s
        self.sent += [(self.now_s - 1000.0, row.timestamp_ms or 0) for row in rows]


def rows(*times_ms: int | None) -> Iterator[Row]:
    return (Row(number, time, {}) for number, time in enumerate(times_ms, 1))


def replay(world: World, stream: Iterator[Row], speed: float, batch_size: int = 500) -> ReplayProgress:
    replayer = Replayer(stream, world.send, speed=speed, batch_size=batch_size, clock=world.clock, sleep=world.sleep)
    return replayer.run()


def test_replay_sends_each_event_when_its_time_comes() -> None:
    """At speed 60 a minute of events takes a second: never early, and late by no more than a tick."""
    world = World()
    progress = replay(world, rows(0, 30_000, 60_000, 120_000), speed=60.0)
    assert [time for _, time in world.sent] == [0, 30_000, 60_000, 120_000]
    for at_s, time_ms in world.sent:
        due_s = time_ms / 60_000
        assert due_s - 1e-6 <= at_s <= due_s + TICK_S + 1e-6
    assert progress.num_sent == 4
    assert progress.event_time_ms == 120_000


def test_replay_that_cannot_keep_up_says_how_far_behind_it_is() -> None:
    world = World(send_takes_s=1.0)
    lags: list[float] = []
    replayer = Replayer(
        rows(*range(0, 10_000, 1000)), world.send, speed=10.0, batch_size=1, clock=world.clock, sleep=world.sleep
    )
    replayer.run(lambda progress: lags.append(progress.lag_s))
    # after n sends n seconds have passed, which is 10·n s of event time; the next event is at n s
    assert lags[:3] == pytest.approx([9.0, 18.0, 27.0])
    assert len(world.sent) == 10


def test_replay_leaves_out_rows_without_a_time() -> None:
    world = World()
    assert replay(world, rows(5, None, 6), speed=1.0).num_sent == 2


def test_replay_of_nothing_ends_at_once() -> None:
    assert replay(World(), rows(), speed=1.0).num_sent == 0


def test_replay_interrupted_has_counted_what_was_sent() -> None:
    world = World()

    def interrupted(duration_s: float) -> None:
        raise KeyboardInterrupt

    replayer = Replayer(rows(0, 1_000_000), world.send, speed=1.0, clock=world.clock, sleep=interrupted)
    with pytest.raises(KeyboardInterrupt):
        replayer.run()
    assert replayer.progress.num_sent == len(world.sent) == 1


def test_replay_speed_must_be_positive() -> None:
    with pytest.raises(ValueError, match="speed"):
        replay(World(), rows(), speed=0.0)
