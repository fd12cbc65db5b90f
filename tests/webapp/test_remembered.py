"""Answers kept for a moment, and for longer while PostgreSQL does not answer."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from webapp.core.remembered import Remembered


class Database:
    """Answers how often it was asked, or does not answer."""

    def __init__(self) -> None:
        self.num_asked = 0
        self.is_down = False

    def read(self) -> int:
        self.num_asked += 1
        if self.is_down:
            raise OperationalError("the server closed the connection")
        return self.num_asked


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def remembered(clock: Clock, *, stale_s: float = 0.0) -> Remembered[str, int]:
    return Remembered(2.0, stale_s=stale_s, clock=clock)


def test_it_asks_again_when_an_answer_has_run_out() -> None:
    clock, database = Clock(), Database()
    kept = remembered(clock)
    assert [kept.get("a", database.read), kept.get("a", database.read)] == [1, 1]
    clock.now_s = 2.0
    assert kept.get("a", database.read) == 2


def test_it_goes_on_with_the_last_answer_while_the_database_is_away() -> None:
    clock, database = Clock(), Database()
    kept = remembered(clock, stale_s=10.0)
    kept.get("a", database.read)
    database.is_down = True
    clock.now_s = 11.9
    assert kept.get("a", database.read) == 1
    database.is_down = False
    assert kept.get("a", database.read) == 3


def test_it_does_not_go_on_for_ever_nor_where_it_was_not_told_to() -> None:
    clock, database = Clock(), Database()
    kept, impatient = remembered(clock, stale_s=10.0), remembered(clock)
    kept.get("a", database.read)
    impatient.get("a", database.read)
    database.is_down = True
    clock.now_s = 12.0
    for one in (kept, impatient):
        with pytest.raises(OperationalError):
            one.get("a", database.read)


def test_it_does_not_go_on_with_what_was_forgotten_meanwhile() -> None:
    clock, database = Clock(), Database()
    kept = remembered(clock, stale_s=10.0)
    kept.get("a", database.read)
    clock.now_s = 5.0

    def read_while_another_forgets() -> int:
        kept.forget()
        raise OperationalError("away")

    with pytest.raises(OperationalError):
        kept.get("a", read_while_another_forgets)
