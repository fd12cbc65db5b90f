"""Distinct ids and rows from a sample, against streams whose answer is known by construction or counted by brute force."""

from __future__ import annotations

import random

import pytest

from engine.spec.slot import AdmitAlways, AdmitMinCount, AdmitProbability
from webapp.registry.sizing.cardinality import spread_of


def zipf(num: int, num_ids: int, seed: int = 5) -> list[int]:
    source = random.Random(seed)
    weights = [1 / (rank + 1) for rank in range(num_ids)]
    return source.choices(range(num_ids), weights, k=num)


def test_it_counts_exactly_what_it_sees_whole() -> None:
    spread = spread_of(["a", "b", "b", "c", "c", "c"], 1.0)
    assert (spread.num_ids, spread.least, spread.most) == (3, 3, 3)
    assert spread.num_rows(AdmitAlways(), None, 60.0) == 3
    assert spread.num_rows(AdmitMinCount(min_count=2), None, 60.0) == 2
    assert spread.num_rows(AdmitMinCount(min_count=3), None, 60.0) == 1
    assert spread.num_waiting(AdmitMinCount(min_count=3), 60.0) == 2


def test_it_counts_a_few_values_that_come_often_as_they_are() -> None:
    assert spread_of(["de", "fr"] * 50, 0.001).num_ids == 2


def test_it_says_between_what_the_number_of_ids_must_lie() -> None:
    """4 ids once each in a hundredth, none twice: at least 4, at most 400, by the estimator 4 · √100 = 40."""
    spread = spread_of("abcd", 0.01)
    assert (spread.least, spread.most) == (4, 400)
    assert spread.num_ids == pytest.approx(40)


def test_it_believes_a_catalogue_that_has_no_more() -> None:
    assert spread_of("abcd", 0.01, most_ids=12).num_ids == pytest.approx(12)
    assert spread_of("abcd", 0.01, most_ids=2).num_ids == 4


def test_it_finds_the_ids_of_an_even_stream() -> None:
    stream = random.Random(2).choices(range(900), k=6_000)
    spread = spread_of(random.Random(3).sample(stream, 2_000), 1 / 3)
    assert spread.num_ids == pytest.approx(900, rel=0.1)
    assert spread.num_rows(AdmitMinCount(min_count=3), None, 1.0) == pytest.approx(864, rel=0.15)


@pytest.mark.parametrize("min_count", [1, 2, 5, 20])
def test_it_is_near_a_skewed_stream_of_which_it_saw_a_tenth(min_count: int) -> None:
    stream = zipf(200_000, 20_000)
    sample = random.Random(1).sample(stream, 20_000)
    counts: dict[int, int] = {}
    for one in stream:
        counts[one] = counts.get(one, 0) + 1
    truth = sum(1 for count in counts.values() if count >= min_count)
    spread = spread_of(sample, 0.1)
    assert spread.least <= len(counts) <= spread.most
    assert spread.num_rows(AdmitMinCount(min_count=min_count), None, 1.0) == pytest.approx(truth, rel=0.35)


def test_it_draws_admissions_by_their_probability() -> None:
    """100 ids of 10 sightings each, one in ten admitted at each: 1 - 0.9^10."""
    values = [one for one in range(100) for _ in range(10)]
    rows = spread_of(values, 1.0).num_rows(AdmitProbability(probability=0.1), None, 1.0)
    assert rows == pytest.approx(100 * (1 - 0.9**10))


def test_it_keeps_the_rows_that_were_seen_within_their_time_to_live() -> None:
    """Brute force: ids of a skewed stream that come again in its last tenth."""
    stream = zipf(50_000, 5_000)
    spread = spread_of(stream, 1.0)
    alive = len(set(stream[-5_000:]))
    assert spread.num_rows(AdmitAlways(), 100, 1_000.0) == pytest.approx(alive, rel=0.1)
    assert spread.num_rows(AdmitAlways(), 2_000, 1_000.0) == spread.num_ids


def test_it_says_how_many_rows_a_publish_touches() -> None:
    stream = zipf(50_000, 5_000)
    touched = len(set(stream[:500]))
    assert spread_of(stream, 1.0).num_touched(0.01) == pytest.approx(touched, rel=0.1)


def test_it_lets_a_window_fade_old_sightings() -> None:
    values = [one for one in range(10) for _ in range(10)]
    spread = spread_of(values, 1.0)
    day = AdmitMinCount(min_count=5, window_s=10)
    assert spread.num_rows(day, None, 20.0) == 10
    assert spread.num_rows(day, None, 200.0) == 0


def test_it_refuses_a_sample_that_is_no_part_of_a_stream() -> None:
    with pytest.raises(ValueError, match="fraction"):
        spread_of([], 0.0)
