from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluation.auc import auc
from engine.evaluation.coverage import coverage
from engine.evaluation.grouped_auc import grouped_auc
from engine.evaluation.hit_rate import NOT_ASKED, hit_rate
from engine.evaluation.slices import MAX_VALUES, NEW_USER_HISTORY, OTHER, Slicer
from engine.evaluation.sliding import SlidingColumns
from engine.evaluation.stream_metrics import WINDOW_SCORES, DecayedMean, Ranked, Scored, StreamMetrics
from tests.engine.training.made import make_example


def drawn(rng: np.random.Generator, num: int, num_slices: int = 3) -> Scored:
    return Scored(
        scores=rng.random(num).astype(np.float32),
        labels=(rng.random(num) < 0.4).astype(np.float32),
        users=rng.integers(5, size=num).astype(np.uint64),
        codes=rng.integers(2, size=(num, num_slices)).astype(np.uint8),
    )


def joined(parts: list[Scored]) -> Scored:
    return Scored(*(np.concatenate([getattr(part, name) for part in parts]) for name in Scored.__slots__))


def ranked(rng: np.random.Generator, num: int, num_slices: int = 3) -> Ranked:
    return Ranked(
        live=rng.integers(-1, 30, size=num).astype(np.int32),
        frozen=rng.integers(-1, 30, size=num).astype(np.int32),
        lists=rng.integers(-1, 100, size=(num, 10)).astype(np.int32),
        codes=rng.integers(2, size=(num, num_slices)).astype(np.uint8),
        num_items=100,
    )


@given(st.integers(1, 7), st.lists(st.integers(0, 9), max_size=12))
def test_window_holds_the_newest_rows_in_order(capacity: int, sizes: list[int]) -> None:
    window = SlidingColumns(capacity, {"value": np.int64})
    pushed: list[int] = []
    for size in sizes:
        rows = np.arange(len(pushed), len(pushed) + size)
        pushed += rows.tolist()
        window.push(value=rows)
        assert window.columns()["value"].tolist() == pushed[-capacity:]
        assert len(window) == min(capacity, len(pushed))
    other = SlidingColumns(capacity, {"value": np.int64})
    assert other.take_over(window.to_arrow())
    assert other.columns()["value"].tolist() == pushed[-capacity:]


def test_values_are_exact_over_the_newest_scores() -> None:
    rng = np.random.default_rng(1)
    metrics = StreamMetrics(["event.device"])
    parts = [drawn(rng, 5_000) for _ in range(9)]
    for part in parts:
        metrics.note(0.5, part)
    newest = joined(parts)
    scores, labels, users = (getattr(newest, name)[-WINDOW_SCORES:] for name in ("scores", "labels", "users"))
    values = metrics.values()
    assert values["auc"] == auc(scores, labels)
    assert values["grouped_auc"] == grouped_auc(scores, labels, users)
    assert values["calibration"] == pytest.approx(scores.mean() / labels.mean(), rel=1e-4)
    assert values["loss"] == pytest.approx(0.5)


def test_slices_are_what_their_rows_alone_would_say() -> None:
    rng = np.random.default_rng(2)
    metrics = StreamMetrics(["event.device"])
    scores, lists = drawn(rng, 500), ranked(rng, 200)
    metrics.note(0.5, scores)
    metrics.note_ranking(lists)
    slices = metrics.slices()
    assert list(slices) == ["users", "items", "event.device"]
    own, clicks = scores.codes[:, 0] == 1, lists.codes[:, 0] == 1
    new = slices["users"]["new"]
    assert (new["num_scores"], new["num_lists"]) == (own.sum(), clicks.sum())
    assert new["auc"] == auc(scores.scores[own], scores.labels[own])
    assert new["hr_at_10"] == hit_rate(lists.live[clicks])
    assert new["coverage_at_10"] == coverage(lists.lists[clicks], 100)


def test_cosines_have_no_log_loss_and_no_calibration() -> None:
    metrics = StreamMetrics(are_probabilities=False)
    metrics.note(0.5, drawn(np.random.default_rng(3), 100, 2))
    values = metrics.values()
    assert values["auc"] is not None and values["grouped_auc"] is not None
    assert {values[name] for name in ("log_loss", "normalised_entropy", "calibration")} == {None}
    assert metrics.reliability() == []


def test_nothing_noted_has_no_values() -> None:
    metrics = StreamMetrics()
    assert set(metrics.values().values()) == {None}
    assert metrics.slices() == {"users": {}, "items": {}}


def test_live_model_and_frozen_copy_are_compared_on_the_same_clicks() -> None:
    """The lists that a batch run made while it knew nothing are not held against the model that goes on from it."""
    rng = np.random.default_rng(5)
    first, then = ranked(rng, 40), ranked(rng, 30)
    metrics, only_then = StreamMetrics(), StreamMetrics()
    codes = np.zeros((40, 2), np.uint8)
    metrics.note_ranking(
        replace(first, live=np.full(40, 29, np.int32), frozen=np.full(40, NOT_ASKED, np.int32), codes=codes)
    )
    assert metrics.values()["hr_at_10"] == 0.0 and metrics.values()["hr_at_10_frozen"] is None
    for each in (metrics, only_then):
        each.note_ranking(replace(then, codes=codes[:30]))
    assert metrics.values() == only_then.values()
    assert metrics.values()["hr_at_10"] == np.mean((then.live >= 0) & (then.live < 10))


def restored(document: dict[str, Any], metrics: StreamMetrics, windows: bool = True) -> StreamMetrics:
    other = StreamMetrics(["event.device"])
    other.restore(orjson.loads(orjson.dumps(document)), metrics.windows() if windows else {})
    return other


def test_metrics_survive_a_checkpoint() -> None:
    rng = np.random.default_rng(4)
    metrics = StreamMetrics(["event.device"])
    metrics.slicer.codes([make_example(1, 1, 1)], np.array([True]))
    metrics.note(0.5, drawn(rng, 500))
    metrics.note_ranking(ranked(rng, 50))
    other = restored(metrics.as_json(), metrics)
    assert (other.values(), other.slices()) == (metrics.values(), metrics.slices())
    more = drawn(rng, 100)
    metrics.note(0.1, more)
    other.note(0.1, more)
    assert other.values() == metrics.values()


def test_older_checkpoint_keeps_its_loss_and_begins_its_windows_anew() -> None:
    older = {"loss": [3.0, 4.0], "log_loss": [1.0, 2.0], "auc": [[0.0], [0.0]], "hits": [[1, 0]]}
    values = restored(older, StreamMetrics(), windows=False).values()
    assert values.pop("loss") == 0.75
    assert set(values.values()) == {None}


def test_another_slicing_is_refused() -> None:
    with pytest.raises(ValueError, match="slices"):
        restored(StreamMetrics(["item.topic"]).as_json(), StreamMetrics(["item.topic"]))


def test_slices_of_an_example() -> None:
    slicer = Slicer(["event.device", "item.topic", "user.lists"])
    history = tuple(f"item-{number}" for number in range(NEW_USER_HISTORY))
    new = make_example(1, 1, 1)
    known = replace(make_example(2, 1, 2, history=history), event={"device": "desktop"}, user={"lists": ["a"]})
    codes = slicer.codes([new, known, replace(new, event={})], np.array([True, False, True]))
    words = [[values[code] for values, code in zip(slicer.values.values(), row, strict=True)] for row in codes]
    assert words == [
        ["new", "new", "phone", "music", "(none)"],
        ["known", "known", "desktop", "sport", "(none)"],
        ["new", "new", "(none)", "music", "(none)"],
    ]


def test_values_beyond_the_limit_are_one() -> None:
    slicer = Slicer(["event.device"])
    examples = [replace(make_example(1, 1, 1), event={"device": f"device {number}"}) for number in range(300)]
    codes = slicer.codes(examples, np.zeros(300, np.bool_))
    words = slicer.values["event.device"]
    assert len(words) == MAX_VALUES + 2
    assert [words[code] for code in codes[:3, 2]] == ["device 0", "device 1", "device 2"]
    assert {words[code] for code in codes[MAX_VALUES:, 2]} == {OTHER}


def test_decayed_mean_weighs_by_age() -> None:
    mean = DecayedMean(half_life=1)
    mean.note(0.0, 1)
    mean.note(1.0, 1)
    assert mean.value == pytest.approx(1 / 1.5)  # weights 1/2 and 1
