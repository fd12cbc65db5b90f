"""What rate a step learns at: by hand at the corners of each schedule, and as it may be written in a document."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, TypeAdapter

from engine.errors import InvalidDocument
from engine.spec.document import Document
from engine.spec.learning_rate import ConstantRate, CosineDecay, LearningRate, PolynomialDecay, Schedule


class Optimizer(Document):
    """A document with such a field, as definitions have."""

    learning_rate: LearningRate = Field(default=ConstantRate(value=0.05))


DECAYS: list[dict[str, Any]] = [
    {"kind": "polynomial", "value": 0.5, "warmup_steps": 3, "final": 0.125, "decay_steps": 7, "power": 2.0},
    {"kind": "cosine", "value": 0.5, "warmup_steps": 0, "final": 0.125, "decay_steps": 7},
]

rates = st.floats(1e-9, 10)


@st.composite
def decays(draw: st.DrawFn) -> PolynomialDecay | CosineDecay:
    final, value = sorted((draw(rates), draw(rates)))
    length, warmup_steps = draw(st.integers(1, 60)), draw(st.integers(0, 20))
    if draw(st.booleans()):
        return CosineDecay(value=value, final=final, decay_steps=length, warmup_steps=warmup_steps)
    power = draw(st.floats(0.1, 10))
    return PolynomialDecay(value=value, final=final, decay_steps=length, warmup_steps=warmup_steps, power=power)


def course(schedule: Schedule, num_steps: int) -> list[float]:
    return [schedule.at(step) for step in range(num_steps)]


def test_a_constant_is_the_same_at_every_step() -> None:
    assert {ConstantRate(value=0.25).at(step) for step in (0, 1, 10**12)} == {0.25}


def test_a_warm_up_rises_in_a_straight_line_to_the_value() -> None:
    assert course(ConstantRate(value=1.0, warmup_steps=4), 6) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_a_polynomial_of_power_1_falls_in_a_straight_line() -> None:
    assert course(PolynomialDecay(value=1.0, final=0.5, decay_steps=4), 6) == [1.0, 0.875, 0.75, 0.625, 0.5, 0.5]


def test_a_polynomial_of_power_2_falls_faster_at_first() -> None:
    schedule = PolynomialDecay(value=1.0, final=0.5, decay_steps=4, power=2.0)
    assert course(schedule, 5) == [1.0, 0.5 + 0.5 * 9 / 16, 0.625, 0.5 + 0.5 / 16, 0.5]


def test_a_cosine_is_halfway_down_in_the_middle_and_steepest_there() -> None:
    schedule = CosineDecay(value=1.0, final=0.5, decay_steps=6)
    assert schedule.at(0) == 1.0
    assert schedule.at(3) == pytest.approx(0.75, abs=1e-15)
    assert schedule.at(2) == pytest.approx(0.5 + 0.5 * 0.75, abs=1e-15)  # cos 60° is one half
    assert (schedule.at(6), schedule.at(10**9)) == (0.5, 0.5)
    falls = [before - after for before, after in pairwise(course(schedule, 7))]
    assert max(falls) == pytest.approx(falls[2]) == pytest.approx(falls[3])


def test_a_decay_begins_where_its_warm_up_ends() -> None:
    schedule = PolynomialDecay(value=1.0, final=0.5, decay_steps=2, warmup_steps=2)
    assert course(schedule, 6) == [0.5, 1.0, 1.0, 0.75, 0.5, 0.5]


@given(decays())
def test_a_rate_is_never_zero_and_never_rises_after_the_warm_up(schedule: PolynomialDecay | CosineDecay) -> None:
    rates = course(schedule, schedule.warmup_steps + schedule.decay_steps + 3)
    assert all(0 < rate <= schedule.value * (1 + 1e-15) for rate in rates)
    rising, falling = rates[: schedule.warmup_steps], rates[schedule.warmup_steps :]
    assert all(before < after for before, after in pairwise(rising))
    assert all(before >= after * (1 - 1e-15) for before, after in pairwise(falling))
    assert falling[schedule.decay_steps :] == [schedule.final] * 3
    assert falling[0] == pytest.approx(schedule.value, rel=1e-15)


def test_a_step_before_the_first_is_refused() -> None:
    with pytest.raises(ValueError, match="step must be 0 or more, received -1"):
        ConstantRate(value=0.1).at(-1)


@pytest.mark.parametrize("written", [0.25, {"kind": "constant", "value": 0.25}])
def test_a_number_is_a_constant_and_a_constant_is_written_as_a_number(written: Any) -> None:
    parsed = Optimizer.parse({"learning_rate": written})
    assert parsed.learning_rate == ConstantRate(value=0.25)
    assert parsed.as_json() == {"learning_rate": 0.25}


@pytest.mark.parametrize("written", [*DECAYS, {"kind": "constant", "value": 0.25, "warmup_steps": 9}])
def test_a_schedule_comes_back_as_it_was_given(written: dict[str, Any]) -> None:
    assert Optimizer.parse({"learning_rate": written}).as_json() == {"learning_rate": written}


def test_a_schedule_can_be_read_by_itself() -> None:
    schedule: Schedule = TypeAdapter[Any](LearningRate).validate_python(DECAYS[1])
    assert isinstance(schedule, CosineDecay)
    assert schedule.at(7) == 0.125


def test_the_json_schema_offers_the_number_and_the_schedules() -> None:
    number, schedules = Optimizer.model_json_schema()["properties"]["learning_rate"]["anyOf"]
    assert number["type"] == "number"
    assert set(schedules["discriminator"]["mapping"]) == {"constant", "polynomial", "cosine"}


@pytest.mark.parametrize(
    ("written", "field", "rule"),
    [
        (0, "learning_rate.constant.value", "greater than or equal to 0.000000001"),
        (11, "learning_rate.constant.value", "less than or equal to 10"),
        (math.nan, "learning_rate.constant.value", "finite"),
        (True, "learning_rate", "valid dictionary"),
        ("0.1", "learning_rate", "valid dictionary"),
        ({"value": 0.1}, "learning_rate", "discriminator 'kind'"),
        ({"kind": "step", "value": 0.1}, "learning_rate", "'constant', 'polynomial', 'cosine'"),
        ({**DECAYS[1], "final": 0.75}, "learning_rate.cosine", "final must be at most value (0.5), received 0.75"),
        ({**DECAYS[1], "final": 0}, "learning_rate.cosine.final", "greater than or equal"),
        ({**DECAYS[1], "decay_steps": 0}, "learning_rate.cosine.decay_steps", "greater than or equal to 1"),
        ({**DECAYS[0], "power": 0}, "learning_rate.polynomial.power", "greater than 0"),
        ({**DECAYS[0], "warmup_steps": -1}, "learning_rate.polynomial.warmup_steps", "greater than or equal to 0"),
    ],
)
def test_a_wrong_schedule_is_refused_by_field_and_rule(written: Any, field: str, rule: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        Optimizer.parse({"learning_rate": written})
    (problem,) = caught.value.problems
    assert problem.field == field
    assert rule in problem.rule
