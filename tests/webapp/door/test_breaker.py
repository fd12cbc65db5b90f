"""The circuit breaker and the hedging of one process, by a clock of the test."""

from __future__ import annotations

from webapp.serving.door.breaker import Breaker, BreakerState
from webapp.serving.door.hedging import NUM_ENOUGH, UNTIL_KNOWN_S, Hedging


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(max_failures=3, first_open_s=1.0, longest_open_s=3.0, clock=clock)
    for _ in range(3):
        breaker.failed()
    return breaker


def test_it_opens_after_failures_in_a_row_alone() -> None:
    breaker = Breaker(max_failures=3, clock=Clock())
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert (breaker.state, breaker.may_ask()) == (BreakerState.CLOSED, True)


def test_it_lets_one_call_through_once_it_was_open_long_enough() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert not breaker.may_ask()
    clock.now_s = 1.0
    assert [breaker.may_ask(), breaker.may_ask()] == [True, False]
    breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED


def test_it_stays_open_twice_as_long_after_each_probe_that_fails() -> None:
    clock = Clock()
    breaker = opened(clock)
    for open_s in (1.0, 2.0, 3.0, 3.0):
        clock.now_s += open_s - 0.01
        assert not breaker.may_ask()
        clock.now_s += 0.01
        assert breaker.may_ask()
        breaker.failed()


def test_a_probe_that_says_nothing_leaves_the_next_call_to_probe() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now_s = 1.0
    assert breaker.may_ask()
    breaker.let_go()
    assert breaker.may_ask()


def test_hedging_waits_as_long_as_nearly_all_answers_took() -> None:
    hedging = Hedging()
    assert hedging.delay_s == UNTIL_KNOWN_S
    for number in range(100):
        hedging.note(0.5 if number % 50 == 0 else 0.02)
    assert hedging.delay_s == 0.02
    assert Hedging(fixed_s=0.3).delay_s == 0.3


def test_hedging_asks_twice_for_a_tenth_of_the_calls_at_most() -> None:
    hedging = Hedging()
    num_twice = 0
    for _ in range(10 * NUM_ENOUGH):
        num_twice += hedging.take()
        hedging.note(0.01)
    assert num_twice in (NUM_ENOUGH, NUM_ENOUGH + 1)
