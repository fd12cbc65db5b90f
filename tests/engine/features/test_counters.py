"""Counters against a count over the whole list of events, however these are batched, saved and restored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features import counter_table
from engine.features.counter_table import CounterTable
from engine.features.counters import CounterState, Occurrences, Questions
from engine.spec.counter import Counter

COUNTERS = {
    "clicks": Counter(keys=["item.id"], event_types=["click"], windows_s=[2, 40], half_lives_s=[3]),
    "shows": Counter(keys=["item.id"], event_types=["show"], windows_s=[2]),
    "tastes": Counter(keys=["user.id", "item.genre"], event_types=["click", "buy"], windows_s=[7], half_lives_s=[60]),
}
SOURCES = {"clicks": ("item.id",), "shows": ("item.id",), "tastes": ("user.id", "item.genre")}
BUCKETS = 20
# For two of the three items, and as much for the other group: keys give way.
ROOM_FOR_TWO = 4 * CounterTable.bytes_per_key({name: COUNTERS[name] for name in ("clicks", "shows")})

Row = dict[str, Any]


@st.composite
def streams(draw: st.DrawFn) -> list[Row]:
    """Events and questions in the order in which they come: of few keys, some late, some far ahead, some without a genre."""
    rows: list[Row] = []
    now_ms = draw(st.sampled_from([1_700_000_000_000, 5, -90_000]))
    for _ in range(draw(st.integers(1, 40))):
        now_ms += draw(st.sampled_from([0, 1, 40, 700, 2_100, 50_000]))
        rows.append(
            {
                "type": draw(st.sampled_from(["click", "click", "show", "buy", "login", None, None])),
                "user.id": draw(st.sampled_from("uv")),
                "item.id": draw(st.sampled_from("abc")),
                "item.genre": draw(st.sampled_from(["jazz", 7, None])),
                "time_ms": now_ms + draw(st.sampled_from([0, 0, 0, -30, -900, -2_500, -60_000, 10, 3_000])),
            }
        )
    return rows


def expected(rows: list[Row], asked: Row) -> dict[str, float]:
    """By the definition, over all events so far."""
    values: dict[str, float] = {}
    for name, counter in COUNTERS.items():
        key = [asked[source] for source in SOURCES[name]]
        times = [
            row["time_ms"]
            for row in rows
            if row["type"] in counter.event_types and [row[source] for source in SOURCES[name]] == key
        ]
        if None in key:
            times = []
        newest = max(times, default=asked["time_ms"])
        for value in counter.values(name):
            if value.decay == "window":
                width = value.span_s * 1000 // BUCKETS
                end = max(newest, asked["time_ms"]) // width
                buckets = [time // width for time in times]
                values[value.name] = sum(end - BUCKETS < one <= asked["time_ms"] // width for one in buckets)
            else:
                end = max(newest, asked["time_ms"])
                values[value.name] = sum(0.5 ** ((end - time) / (value.span_s * 1000)) for time in times)
    return values


def occurrences(rows: list[Row]) -> Occurrences:
    columns = {source: [row[source] for row in rows] for source in ("user.id", "item.id", "item.genre")}
    return Occurrences(columns, [row["type"] for row in rows], np.array([row["time_ms"] for row in rows], np.int64))


def split(rows: list[Row]) -> tuple[Occurrences, Questions]:
    noted = [row for row in rows if row["type"] is not None]
    asked = [
        (row, sum(one["type"] is not None for one in rows[:i])) for i, row in enumerate(rows) if row["type"] is None
    ]
    asking = occurrences([row for row, _ in asked])
    return occurrences(noted), Questions(asking.columns, asking.times_ms, np.array([n for _, n in asked], np.int64))


def listed(values: dict[str, Any]) -> dict[str, list[float]]:
    return {name: column.tolist() for name, column in values.items()}


def one_by_one(state: CounterState, rows: list[Row]) -> dict[str, list[float]]:
    answers: dict[str, list[float]] = {name: [] for name in state.names}
    for row in rows:
        one = occurrences([row])
        if row["type"] is not None:
            state.note(one)
            continue
        for name, column in state.read(one.columns, 1, row["time_ms"]).items():
            answers[name] += column.tolist()
    return answers


@settings(max_examples=150, deadline=None)
@given(streams())
def test_every_value_is_the_count_over_all_events_before_it(rows: list[Row]) -> None:
    answers = one_by_one(CounterState(COUNTERS), rows)
    asked = [(place, row) for place, row in enumerate(rows) if row["type"] is None]
    for number, (place, row) in enumerate(asked):
        for name, value in expected(rows[:place], row).items():
            # Decayed counts are rounded to four decimals.
            assert answers[name][number] == pytest.approx(value, abs=6e-5), name


@settings(max_examples=150, deadline=None)
@given(streams(), st.integers(1, 9), st.booleans())
def test_a_batch_answers_to_the_bit_what_one_after_the_other_does(rows: list[Row], size: int, is_small: bool) -> None:
    max_bytes = ROOM_FOR_TWO if is_small else 2**20
    whole, batched = CounterState(COUNTERS, max_bytes), CounterState(COUNTERS, max_bytes)
    answers: dict[str, list[float]] = {name: [] for name in batched.names}
    for start in range(0, len(rows), size):
        for name, column in batched.replay(*split(rows[start : start + size])).items():
            answers[name] += column.tolist()
    assert answers == one_by_one(whole, rows)
    assert batched.num_evicted == whole.num_evicted
    assert sorted(map(str, tables_of(batched))) == sorted(map(str, tables_of(whole)))


def tables_of(state: CounterState) -> list[Any]:
    return [table.sort_by("key").to_pydict() for table in state.to_arrow().values()]


@settings(max_examples=60, deadline=None)
@given(streams(), st.integers(0, 40), st.booleans())
def test_a_state_restored_from_arrow_goes_on_as_if_nothing_had_been(rows: list[Row], cut: int, is_small: bool) -> None:
    max_bytes = ROOM_FOR_TWO if is_small else 2**20
    first = CounterState(COUNTERS, max_bytes)
    first.replay(*split(rows[:cut]))
    second = CounterState(COUNTERS, max_bytes)
    second.restore(first.to_arrow().values())
    assert listed(second.replay(*split(rows[cut:]))) == listed(first.replay(*split(rows[cut:])))


def test_a_batch_of_one_hot_key_is_done_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter_table, "_MAX_PAIRS", 50)
    rows = [
        {"type": None if n % 2 else "click", "user.id": "u", "item.id": "a", "item.genre": "g", "time_ms": n * 30}
        for n in range(200)
    ]
    assert listed(CounterState(COUNTERS).replay(*split(rows))) == one_by_one(CounterState(COUNTERS), rows)


def test_a_window_forgets_by_whole_buckets_of_a_twentieth() -> None:
    state = CounterState({"clicks": Counter(keys=["item.id"], event_types=["click"], windows_s=[600])})
    state.note(Occurrences({"item.id": ["a", "a"]}, ["click", "click"], np.array([0, 29_999])))

    def count(now_ms: int) -> float:
        return float(state.read({"item.id": ["a"]}, 1, now_ms)["clicks_10m"][0])

    assert [count(now_ms) for now_ms in (0, 29_999, 599_999, 600_000)] == [2.0, 2.0, 2.0, 0.0]


def test_one_event_dated_ahead_takes_only_its_own_keys_past_and_leaves_others_alone() -> None:
    state = CounterState({"clicks": Counter(keys=["item.id"], event_types=["click"], windows_s=[600])})
    state.note(Occurrences({"item.id": list("aab")}, ["click"] * 3, np.array([1_000, 2_000, 1_000])))
    state.note(Occurrences({"item.id": ["a"]}, ["click"], np.array([10**12])))
    assert state.read({"item.id": ["a", "b"]}, 2, 3_000)["clicks_10m"].tolist() == [0.0, 1.0]


def test_a_decayed_count_halves_with_each_half_life() -> None:
    state = CounterState({"c": Counter(keys=["user.id"], event_types=["click"], windows_s=[], half_lives_s=[10])})
    state.note(Occurrences({"user.id": ["u", "u"]}, ["click", "click"], np.array([5_000, 15_000])))
    read = [state.read({"user.id": ["u"]}, 1, now_ms)["c_decayed_10s"][0] for now_ms in (15_000, 25_000, 45_000, 10**9)]
    assert read == [1.5, 0.75, 0.1875, 0.0]


def test_decades_between_events_neither_overflow_nor_disturb() -> None:
    state = CounterState({"c": Counter(keys=["user.id"], event_types=["click"], windows_s=[1], half_lives_s=[1])})
    for time_ms in (-(10**13), 0, 10**13, -5):
        state.note(Occurrences({"user.id": ["u"]}, ["click"], np.array([time_ms])))
    values = state.read({"user.id": ["u"]}, 1, 10**13)
    assert (values["c_1s"][0], values["c_decayed_1s"][0]) == (1.0, 1.0)


def test_one_call_reads_a_user_beside_all_items() -> None:
    state = CounterState(COUNTERS)
    rows = [
        {"type": "click", "user.id": "u", "item.id": item_id, "item.genre": genre, "time_ms": 1_000}
        for item_id, genre in (("a", "jazz"), ("a", "jazz"), ("b", "rock"))
    ]
    state.note(occurrences(rows))
    columns: dict[str, list[Any]] = {
        "user.id": ["u"],
        "item.id": ["a", "b", "z"],
        "item.genre": ["jazz", "rock", None],
    }
    values = state.read(columns, 3, 1_500)
    assert values["clicks_2s"].tolist() == [2.0, 1.0, 0.0]
    assert values["tastes_7s"].tolist() == [2.0, 1.0, 0.0]
    alone = CounterState({"mine": Counter(keys=["user.id"], event_types=["click"], windows_s=[2])})
    alone.note(occurrences(rows))
    assert alone.read({"user.id": ["u"]}, 3, 1_500)["mine_2s"].tolist() == [3.0, 3.0, 3.0]


def test_the_stalest_keys_give_way_and_memory_stays_bounded() -> None:
    counters = {"clicks": Counter(keys=["item.id"], event_types=["click"], windows_s=[600])}
    state = CounterState(counters, 16 * CounterTable.bytes_per_key(counters))
    for number in range(16):
        state.note(Occurrences({"item.id": [f"i{number}"]}, ["click"], np.array([1_000 + number])))
    state.note(Occurrences({"item.id": ["i0"]}, ["click"], np.array([2_000])))
    state.note(Occurrences({"item.id": ["new"]}, ["click"], np.array([1_500])))
    assert (state.num_keys, state.num_evicted) == (15, 2)
    ids = ["i0", "i1", "i2", "i3", "new"]
    assert state.read({"item.id": ids}, 5, 3_000)["clicks_10m"].tolist() == [2.0, 0.0, 0.0, 1.0, 1.0]


def test_a_state_without_room_for_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="max_rows must be at least 1"):
        CounterState(COUNTERS, 100)


def test_counters_that_count_the_same_are_kept_by_a_new_schema_and_the_others_start_empty() -> None:
    old = CounterState(COUNTERS)
    old.note(
        occurrences(
            [
                {"type": kind, "user.id": "u", "item.id": "a", "item.genre": "jazz", "time_ms": 1_000}
                for kind in ("click", "show", "buy")
            ]
        )
    )
    changed = {
        "clicks": COUNTERS["clicks"].model_copy(update={"windows_s": [2, 600]}),
        "shows": COUNTERS["shows"].model_copy(update={"event_types": ["show", "buy"]}),
        "tastes": COUNTERS["tastes"].model_copy(update={"keys": ["item.genre"]}),
        "buys": Counter(keys=["item.id"], event_types=["buy"], windows_s=[2]),
    }
    new = CounterState(changed)
    new.restore(old.to_arrow().values())
    values = new.read({"user.id": ["u"], "item.id": ["a"], "item.genre": ["jazz"]}, 1, 1_000)
    assert {name: column[0] for name, column in values.items()} == {
        "clicks_2s": 1.0, "clicks_10m": 0.0, "clicks_decayed_3s": 1.0, "shows_2s": 0.0, "tastes_7s": 0.0,
        "tastes_decayed_1m": 0.0, "buys_2s": 0.0,
    }  # fmt: skip


def test_a_smaller_limit_restores_the_newest_keys() -> None:
    counters = {"clicks": Counter(keys=["item.id"], event_types=["click"], windows_s=[600])}
    old = CounterState(counters)
    old.note(Occurrences({"item.id": list("abc")}, ["click"] * 3, np.array([3_000, 1_000, 2_000])))
    new = CounterState(counters, 2 * CounterTable.bytes_per_key(counters))
    new.restore(old.to_arrow().values())
    assert new.read({"item.id": list("abc")}, 3, 3_000)["clicks_10m"].tolist() == [1.0, 0.0, 1.0]


def test_a_table_of_another_kind_is_no_state() -> None:
    with pytest.raises(KeyError):
        CounterState(COUNTERS).restore([pa.table({"key": [1]})])


def test_a_value_is_the_same_key_whatever_type_its_neighbours_have() -> None:
    counters = {"c": Counter(keys=["item.shelf"], event_types=["click"], windows_s=[600])}
    state = CounterState(counters)
    state.note(
        Occurrences(
            {"item.shelf": [1, "1", True, 2.0, "", None, 2.5, [1], 2**63]}, ["click"] * 9, np.zeros(9, np.int64)
        )
    )
    assert state.read({"item.shelf": [1, 2]}, 2, 0)["c_10m"].tolist() == [2.0, 1.0]
    assert state.read({"item.shelf": ["1", ""]}, 2, 0)["c_10m"].tolist() == [1.0, 0.0]
    assert state.num_keys == 3
