"""When a joiner makes room for another project: by a clock and a queue that the test sets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from webapp.core.jobs import QUEUES, Job
from webapp.core.redis_connection import redis_connection
from workers import sent
from workers.joiner_turn import JoinerTurn


@dataclass
class World:
    """Seconds, and whether another project waits."""

    now_s: float = 100.0
    waits: bool = False
    may_go: bool = True
    turn: JoinerTurn = field(init=False)

    def __post_init__(self) -> None:
        self.turn = JoinerTurn(lambda: self.waits, lambda: self.may_go, lambda: self.now_s)

    def seconds_until_over(self, *, was_busy: bool, at_most: int = 200) -> int | None:
        for second in range(1, at_most + 1):
            self.now_s += 1
            self.turn.look(was_busy=was_busy)
            if self.turn.is_over:
                return second
        return None


def test_turn_while_nobody_waits_never_ends() -> None:
    assert World().seconds_until_over(was_busy=False) is None


def test_quiet_turn_ends_soon_after_somebody_waits() -> None:
    assert World(waits=True).seconds_until_over(was_busy=False) == 5 + 2
    world = World()
    assert world.seconds_until_over(was_busy=False, at_most=30) is None
    world.waits = True
    assert world.seconds_until_over(was_busy=False) == 3


def test_busy_turn_lasts_a_minute_however_many_wait() -> None:
    assert World(waits=True).seconds_until_over(was_busy=True) == 60 + 2


def test_message_on_its_way_to_a_free_worker_ends_no_turn() -> None:
    world = World()
    for second in range(60):
        world.waits = second % 3 > 0  # seen twice, never a third time
        world.now_s += 1
        world.turn.look(was_busy=False)
    assert not world.turn.is_over


def test_turn_goes_on_while_another_joiner_makes_room() -> None:
    world = World(waits=True, may_go=False)
    assert world.seconds_until_over(was_busy=False, at_most=30) is None
    world.may_go = True
    assert world.seconds_until_over(was_busy=False) == 1


@pytest.fixture
def _empty_redis() -> Iterator[None]:
    redis_connection().flushdb()
    yield
    redis_connection().flushdb()


@pytest.mark.usefixtures("_empty_redis")
def test_of_several_joiners_one_makes_room_at_a_time() -> None:
    redis_connection().rpush(QUEUES[Job.JOIN], b"{}")
    now_s = 0.0
    turns = [JoinerTurn(clock=lambda: now_s) for _ in range(3)]
    for second in range(30):
        now_s = second
        for turn in turns:
            turn.look(was_busy=False)
    assert [turn.is_over for turn in turns] == [True, False, False]
    redis_connection().delete(f"freshet:room:{Job.JOIN.value}")
    assert sent.make_room(Job.JOIN)
    assert not sent.make_room(Job.JOIN)
