"""What a lease's holder believes, second by second, against a book of leases and a clock that the test moves."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine.errors import LeaseLost
from workers.leases import HeldLease

TTL_S = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Book:
    """One lease kept as PostgreSQL keeps it: expiry by the book's clock, a token that grows with each acquisition."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._holder = ""
        self._token = 0
        self._expires_at = 0.0
        self.is_away = False

    def acquire(self, name: str, holder: str, ttl_s: float) -> int | None:
        if self._clock() < self._expires_at:
            return None
        self._holder, self._token, self._expires_at = holder, self._token + 1, self._clock() + ttl_s
        return self._token

    def renew(self, name: str, holder: str, token: int, ttl_s: float) -> bool:
        if self.is_away:
            raise OperationalError("the database is away")
        if (holder, token) != (self._holder, self._token) or self._clock() >= self._expires_at:
            return False
        self._expires_at = self._clock() + ttl_s
        return True

    def release(self, name: str, holder: str, token: int) -> None:
        if (holder, token) == (self._holder, self._token):
            self._expires_at = self._clock()

    def token(self, name: str) -> int | None:
        return self._token if self._clock() < self._expires_at else None


def hold(book: Book, clock: Clock, holder: str = "first") -> HeldLease:
    token = book.acquire("trainer:1", holder, TTL_S)
    assert token is not None
    return HeldLease(book, name="trainer:1", holder=holder, token=token, ttl_s=TTL_S, clock=clock)


def test_lease_renewed_in_time_is_kept() -> None:
    clock = Clock()
    lease = hold(Book(clock), clock)
    for _ in range(100):
        clock.now += 9.0
        lease.beat()
        lease.fence()
    assert not lease.is_lost


def test_lease_not_renewed_for_its_ttl_is_lost_by_our_own_clock() -> None:
    clock = Clock()
    lease = hold(Book(clock), clock)
    clock.now += 9.9
    assert not lease.is_lost
    clock.now += 0.1
    assert lease.is_lost
    with pytest.raises(LeaseLost):
        lease.fence()


def test_lease_lost_once_is_never_taken_back() -> None:
    clock = Clock()
    lease = hold(Book(clock), clock)
    clock.now += TTL_S
    assert lease.is_lost
    lease.beat()
    assert lease.is_lost


def test_lease_database_away_for_less_than_the_ttl_is_kept() -> None:
    clock = Clock()
    book = Book(clock)
    lease = hold(book, clock)
    book.is_away = True
    for _ in range(4):
        clock.now += 2.0
        lease.beat()
    book.is_away = False
    lease.beat()
    clock.now += 9.0
    lease.fence()


def test_lease_database_away_for_longer_is_lost() -> None:
    clock = Clock()
    book = Book(clock)
    lease = hold(book, clock)
    book.is_away = True
    for _ in range(5):
        clock.now += 2.0
        lease.beat()
    assert lease.is_lost


def test_fence_after_another_holder_took_over_refuses() -> None:
    """Our clock may run slow: then only the token in the database tells."""
    slow, true = Clock(), Clock()
    book = Book(true)
    lease = hold(book, slow)
    true.now += TTL_S
    assert book.acquire("trainer:1", "second", TTL_S) == 2
    assert not lease.is_lost
    with pytest.raises(LeaseLost):
        lease.fence()
    assert lease.is_lost


def test_released_lease_is_free_at_once() -> None:
    clock = Clock()
    book = Book(clock)
    hold(book, clock).release()
    assert book.acquire("trainer:1", "second", TTL_S) == 2


class TwoHolders(RuleBasedStateMachine):
    """Two workers compete; whatever happens, at most one passes its fence."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.book = Book(self.clock)
        self.leases: dict[str, HeldLease] = {}

    @rule()
    def time_passes(self) -> None:
        self.clock.now += 3.0

    @rule()
    def first_acquires(self) -> None:
        self._acquire("first")

    @rule()
    def second_acquires(self) -> None:
        self._acquire("second")

    def _acquire(self, holder: str) -> None:
        token = self.book.acquire("trainer:1", holder, TTL_S)
        if token is not None:
            self.leases[holder] = HeldLease(
                self.book, name="trainer:1", holder=holder, token=token, ttl_s=TTL_S, clock=self.clock
            )

    @precondition(lambda self: self.leases)
    @rule()
    def everybody_beats(self) -> None:
        for lease in self.leases.values():
            lease.beat()

    @precondition(lambda self: "first" in self.leases)
    @rule()
    def first_releases(self) -> None:
        self.leases.pop("first").release()

    @rule()
    def database_goes_or_comes_back(self) -> None:
        self.book.is_away = not self.book.is_away

    @invariant()
    def at_most_one_passes(self) -> None:
        assert sum(passes(lease) for lease in self.leases.values()) <= 1


def passes(lease: HeldLease) -> bool:
    try:
        lease.fence()
    except LeaseLost:
        return False
    return True


TestTwoHolders = TwoHolders.TestCase
TestTwoHolders.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
