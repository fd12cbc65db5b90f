"""Events that others write to the topic themselves: joined like the API's, buried once when they are bad, bounded in a flood."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import orjson
import pytest
from hypothesis import strategies as st

from engine.errors import CorruptRecord, Problem
from engine.joining import dead_letters
from engine.joining.process import JoinerProcess
from engine.spec.dead_letter import INBOX_GROUP, MAX_VALUE_BYTES, DeadLetter
from engine.spec.event import Event
from engine.spec.example import Example
from engine.spec.intake import RefusedEvent
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import Record, StoredRecord
from engine.streams.memory import MemoryLog

EVENTS, EXAMPLES, DEAD = topics.events("shop"), topics.examples("shop"), topics.events_dead("shop")
NOW_MS = 1_790_000_000_000
WIDER = Schema.parse({"events": {"impression": {"role": "impression"}, "click": {}, "share": {}}, "join_window_s": 10})


class Shop:
    """A log and a joiner that can be killed."""

    def __init__(self, schema: Schema, directory: Path) -> None:
        self.log = MemoryLog()
        self.arrived: list[Event] = []
        self._directory = directory
        self.start(schema)

    def start(self, schema: Schema) -> None:
        self.joiner = JoinerProcess(
            self.log, "shop", schema, self._directory, lambda: NOW_MS / 1000, on_arrivals=self.arrived.extend
        )

    def produce(self, *documents: Any) -> None:
        values = [one if isinstance(one, bytes) else orjson.dumps(one) for one in documents]
        self.log.append(EVENTS, [Record("u", value, NOW_MS) for value in values])

    def letters(self) -> list[DeadLetter]:
        return [DeadLetter.from_bytes(record.value) for record in self.log.read(DEAD, 0, 0, 100_000)]

    def examples(self) -> list[Example]:
        return [Example.from_bytes(record.value) for record in self.log.read(EXAMPLES, 0, 0, 100_000)]


@pytest.fixture
def shop(schema: Schema, tmp_path: Path) -> Shop:
    return Shop(schema, tmp_path / "joiner")


def click(event_id: str, **more: Any) -> dict[str, Any]:
    return {"event_id": event_id, "type": "click", "user_id": "u", "item_id": "a", **more}


def test_a_document_in_the_apis_form_is_joined_with_an_impression_of_the_api(
    shop: Shop, make_event: Callable[..., Event]
) -> None:
    impression = make_event("i1", "impression", NOW_MS - 1000, shown=("a", "b"))
    shop.log.append(EVENTS, [Record("u", impression.to_bytes(), NOW_MS)])
    shop.produce(click("c1"))
    shop.joiner.poll()
    [example] = shop.examples()
    assert (example.example_id, example.cause.received_ms) == ("i1:a:click", NOW_MS)
    assert [event.event_id for event in shop.arrived] == ["c1"]
    assert shop.letters() == []


def test_an_event_id_counts_once_whoever_wrote_it(shop: Shop, make_event: Callable[..., Event]) -> None:
    shop.log.append(EVENTS, [Record("u", make_event("c1", "click", NOW_MS, "a").to_bytes(), NOW_MS)])
    shop.produce(click("c1"), click("c1"), click("c2"))
    shop.joiner.poll()
    assert [example.example_id for example in shop.examples()] == ["c1", "c2"]
    assert shop.joiner.counters.num_duplicates == 2


def test_a_letter_says_where_the_record_came_from_and_what_was_wrong(shop: Shop) -> None:
    shop.produce(click("c1"), click("c2", colour="red"))
    shop.joiner.poll()
    [letter] = shop.letters()
    assert (letter.id, letter.topic, letter.reason, letter.field) == ("0:1", EVENTS, "undeclared_field", "colour")
    assert (letter.received, letter.timestamp_ms, letter.buried_ms, letter.key) == ("'red'", NOW_MS, NOW_MS, "u")
    assert orjson.loads(letter.value) == click("c2", colour="red")
    assert letter.is_whole


def test_what_was_received_is_kept_up_to_a_size(shop: Shop) -> None:
    shop.produce(click("c1", colour="x" * 2 * MAX_VALUE_BYTES), b"\xff")
    shop.joiner.poll()
    long, broken = shop.letters()
    assert (len(long.value), long.is_whole, long.value_bytes > 2 * MAX_VALUE_BYTES) == (MAX_VALUE_BYTES, False, True)
    assert (broken.value, broken.is_whole, broken.value_bytes) == ("\\xff", False, 1)


@pytest.mark.parametrize("checkpoints", [True, False])
def test_a_killed_joiner_buries_nothing_twice(shop: Shop, schema: Schema, checkpoints: bool) -> None:
    shop.produce({"type": "nope"}, click("c1"), b"{")
    shop.joiner.poll()
    if checkpoints:
        shop.joiner.checkpoint()
    shop.produce(click("c2"), b"[")
    shop.joiner.poll()
    shop.start(schema)
    shop.produce(click("c3"), b"]")
    shop.joiner.poll()
    assert [letter.id for letter in shop.letters()] == ["0:0", "0:2", "0:4", "0:6"]
    assert [example.example_id for example in shop.examples()] == ["c1", "c2", "c3"]


def test_what_was_buried_stays_so_when_a_restart_reads_it_by_a_wider_schema(shop: Shop) -> None:
    """It is in the inbox; were it joined as well, its replay would be the second time."""
    shop.produce({"event_id": "s1", "type": "share", "user_id": "u", "item_id": "a"})
    shop.joiner.poll()
    shop.start(WIDER)
    shop.produce({"event_id": "s2", "type": "share", "user_id": "u", "item_id": "a"})
    shop.joiner.poll()
    assert [letter.id for letter in shop.letters()] == ["0:0"]
    assert [example.example_id for example in shop.examples()] == ["s2"]


# A checkpoint waits for the disk.
@hypothesis.settings(max_examples=30, deadline=None)
@hypothesis.given(
    st.lists(st.sampled_from(["good", "bad", "no json", "poll", "checkpoint", "kill", "kill and widen"]), max_size=30)
)
def test_whenever_it_is_killed_each_bad_record_is_buried_once_and_each_good_one_joined_once(steps: list[str]) -> None:
    narrow = Schema.parse({"events": {"impression": {"role": "impression"}, "click": {}}, "join_window_s": 10})
    with TemporaryDirectory() as folder:
        shop = Shop(narrow, Path(folder))
        for number, step in enumerate(steps):
            if step in ("good", "bad"):
                shop.produce(click(f"e{number}", **({} if step == "good" else {"colour": 1})))
            elif step == "no json":
                shop.produce(b"{")
            elif step == "poll":
                shop.joiner.poll()
            elif step == "checkpoint":
                shop.joiner.checkpoint()
            else:
                shop.start(narrow if step == "kill" else WIDER)
        shop.joiner.poll()
        records = shop.log.read(EVENTS, 0, 0, 1000)
        good = [
            orjson.loads(one.value)["event_id"] for one in records if one.value != b"{" and b"colour" not in one.value
        ]
        bad = [f"0:{one.offset}" for one in records if one.value == b"{" or b"colour" in one.value]
        assert [letter.id for letter in shop.letters()] == bad
        assert [example.example_id for example in shop.examples()] == good


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "MAX_WAITING", 5)
    monkeypatch.setattr(dead_letters, "MAX_SAMPLES", 4)
    monkeypatch.setattr(dead_letters, "MAX_GROUPS", 3)


def numbers(shop: Shop) -> dict[tuple[str, str], int]:
    return {group: tally.num_records for group, tally in shop.joiner.dead.counted.items()}


@pytest.mark.usefixtures("small_limits")
def test_a_flood_is_counted_and_sampled_instead_of_written(shop: Shop, schema: Schema) -> None:
    shop.produce(*[b"{"] * 20, click("c1", colour=1))
    shop.joiner.poll()
    assert [letter.offset for letter in shop.letters()] == [0, 1, 2, 3, 4, 5, 20]
    assert numbers(shop) == {("not_json", "(record)"): 14}
    for _ in range(6):
        shop.produce(*[b"{"] * 10)
        shop.joiner.poll()
    # two more samples, and then no more at all
    assert len(shop.letters()) == 9
    assert numbers(shop) == {("not_json", "(record)"): 14 + 60 - 2}
    shop.joiner.checkpoint()
    shop.start(schema)
    shop.joiner.poll()
    assert numbers(shop) == {("not_json", "(record)"): 72}
    assert len(shop.letters()) == 9


@pytest.mark.usefixtures("small_limits")
def test_a_full_inbox_is_sent_samples_only(shop: Shop) -> None:
    shop.joiner.dead.room = lambda: 0
    shop.produce(*[b"{"] * 20, *[click(f"c{number}", colour=1) for number in range(5)])
    shop.joiner.poll()
    assert [letter.offset for letter in shop.letters()] == [0, 20]
    assert numbers(shop) == {("not_json", "(record)"): 19, ("undeclared_field", "colour"): 4}


@pytest.mark.usefixtures("small_limits")
def test_there_is_room_again_when_the_inbox_has_taken_the_letters(shop: Shop) -> None:
    shop.produce(*[b"{"] * 20)
    shop.joiner.poll()
    shop.log.commit(INBOX_GROUP, DEAD, {0: 6})
    shop.produce(*[b"["] * 5)
    shop.joiner.poll()
    assert len(shop.letters()) == 6 + 5


@pytest.mark.usefixtures("small_limits")
def test_a_flood_of_many_different_faults_has_a_bounded_number_of_counts(shop: Shop) -> None:
    shop.produce(*[b"{"] * 5)
    for number in range(20):
        shop.produce(*[click(f"c{number}", **{f"x{number}": 1})] * 4)
        shop.joiner.poll()
    assert len(numbers(shop)) == 4
    assert sum(numbers(shop).values()) == 5 + 80 - len(shop.letters())


def test_a_letter_of_an_earlier_release_is_read() -> None:
    old = {"reason": "not an event of the log: 'role'", "partition": 2, "offset": 7, "value": "{}"}
    letter = DeadLetter.from_bytes(orjson.dumps(old))
    assert (letter.id, letter.reason, letter.rule) == ("2:7", "not_an_event", "not an event of the log: 'role'")


def test_a_key_that_no_log_would_take_does_not_stop_the_joiner(shop: Shop) -> None:
    """Kafka's keys are bytes."""
    refused = RefusedEvent("not_json", [Problem("(record)", "must be JSON", "''")])
    record = StoredRecord(0, 5, "a\x00" * 5000, b"", NOW_MS)
    shop.joiner.dead.note(record, refused)
    shop.joiner.dead.flush(lambda: None)
    [letter] = shop.letters()
    assert letter.key.startswith("a\\x00a")
    assert len(letter.key) < 1024


@pytest.mark.parametrize(
    "damage",
    [{"offset": "x"}, {"partition": -1}, {"offset": 2**63}, {"buried_ms": 10**17}, {"problems": [7]}, {"value": None}],
)
def test_a_damaged_letter_is_told_apart(shop: Shop, damage: dict[str, Any]) -> None:
    shop.produce(b"{")
    shop.joiner.poll()
    written = orjson.loads(shop.letters()[0].to_bytes())
    with pytest.raises(CorruptRecord):
        DeadLetter.from_bytes(orjson.dumps(written | damage))
