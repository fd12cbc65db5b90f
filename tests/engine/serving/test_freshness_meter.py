"""What is measured of ordinary actions on their way to the parameters that answer, against times worked out by hand."""

from __future__ import annotations

from engine.serving.freshness_meter import CANARY_EVERY_MS, MAX_WAITING, Canaries, Canary, Freshness, FreshnessMeter


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def canary(offset: int, received_s: float, partition: int = 0, happened_s: float | None = None) -> Canary:
    happened_s = received_s if happened_s is None else happened_s
    return Canary(partition, offset, int(happened_s * 1000), int(received_s * 1000))


def test_about_one_action_a_second_is_chosen() -> None:
    canaries = Canaries(Clock())
    for number in range(40):
        canaries.note(canary(number, 998.0 + number / 16))
    assert [each.offset for each in canaries.take()] == [0, 16, 32]
    assert CANARY_EVERY_MS == 1000
    assert canaries.take() == []


def test_history_that_a_replica_catches_up_with_is_not_measured() -> None:
    canaries = Canaries(Clock())
    canaries.note(canary(0, 969.9))
    canaries.note(canary(1, 970.1))
    assert [each.offset for each in canaries.take()] == [1]


def test_a_replica_that_slept_owns_up_to_it() -> None:
    clock = Clock()
    canaries = Canaries(clock)
    canaries.note(canary(0, 1000.0))
    clock.now_s = 1090.0
    canaries.note(canary(1, 1005.0))
    assert [each.offset for each in canaries.take()] == [0, 1]
    canaries.note(canary(0, 1000.0))  # read again from the beginning
    assert canaries.take() == []


def test_it_has_arrived_when_what_answers_was_trained_on_its_place() -> None:
    clock = Clock()
    meter = FreshnessMeter(clock)
    meter.expect([canary(4, 1000.0, happened_s=990.0), canary(7, 1000.5), canary(4, 1000.5, partition=1)])
    clock.now_s = 1001.0
    meter.look({0: 4})  # next offset: 4 itself is not in yet
    assert meter.take() == Freshness(waiting_s=1.0)
    clock.now_s = 1002.0
    meter.look({0: 5})
    clock.now_s = 1003.0
    meter.look({0: 8, 1: 4})
    assert meter.take() == Freshness((2.0, 2.5), (12.0, 2.5), 0, waiting_s=2.5)
    meter.look({0: 8, 1: 5})
    assert meter.take() == Freshness((2.5,), (2.5,), 0)


def test_one_that_never_arrives_is_given_up_and_counted_not_timed() -> None:
    clock = Clock()
    meter = FreshnessMeter(clock, give_up_s=60.0)
    meter.expect([canary(4, 1000.0), canary(9, 1030.0)])
    clock.now_s = 1060.5
    meter.look({0: 0})
    clock.now_s = 1061.0
    meter.look({0: 50})
    assert meter.take() == Freshness((31.0,), (31.0,), 1)


def test_clock_that_went_back_makes_nothing_arrive_before_it_was_sent() -> None:
    clock = Clock()
    meter = FreshnessMeter(clock)
    meter.expect([canary(1, 1000.0)])
    clock.now_s = 995.0
    meter.look({0: 2})
    assert meter.take().wall_s == (0.0,)


def test_what_waits_is_bounded() -> None:
    meter = FreshnessMeter(Clock())
    meter.expect(canary(number, 1000.0) for number in range(MAX_WAITING + 10))
    meter.look({0: MAX_WAITING + 10})
    assert len(meter.take().wall_s) == MAX_WAITING
