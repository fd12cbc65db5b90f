"""The joiner at work on a log: order, checkpoints, damage, fences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.errors import LeaseLost, OffsetOutOfRange
from engine.joining import process as process_module
from engine.joining.process import CONSUMER_GROUP, JoinerProcess
from engine.joining.state import JoinerSettings, JoinerState
from engine.joining.state_files import save_state
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Example
from engine.spec.schema import Schema
from engine.streams import topics
from engine.streams.log import Record, StoredRecord
from engine.streams.memory import MemoryLog

MakeEvent = Callable[..., Event]
EVENTS, CATALOG, EXAMPLES = topics.events("shop"), topics.catalog("shop"), topics.examples("shop")


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_process(log: MemoryLog, schema: Schema, tmp_path: Path, clock: Clock) -> Callable[..., JoinerProcess]:
    def make(fence: Callable[[], None] = lambda: None, settings: JoinerSettings | None = None) -> JoinerProcess:
        return JoinerProcess(log, "shop", schema, tmp_path / "joiner", clock, fence=fence, settings=settings)

    return make


def send(log: MemoryLog, *events: Event) -> None:
    log.append(EVENTS, [Record(event.user_id, event.to_bytes(), event.received_ms) for event in events])


def emitted(log: MemoryLog) -> list[StoredRecord]:
    return log.read(EXAMPLES, 0, 0, max_records=100_000)


def emitted_ids(log: MemoryLog) -> list[str]:
    return [Example.from_bytes(record.value).example_id for record in emitted(log)]


def test_an_example_is_keyed_by_its_user_and_dated_by_its_event(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    process = make_process()
    send(log, make_event("c1", "click", 1234, "a", user_id="eva"))
    assert process.poll() == 1
    [record] = emitted(log)
    assert (record.key, record.timestamp_ms) == ("eva", 1234)
    assert process.event_offsets == {0: 1}


def test_the_catalogue_is_read_before_the_events_that_need_it(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    process = make_process()
    send(log, make_event("c1", "click", 1, "a"))
    change = CatalogChange("item", "a", {"price": 2.0})
    log.append(CATALOG, [Record("item:a", change.to_bytes(), 0), Record("item:b", b"not json", 0)])
    assert process.poll() == 3
    assert Example.from_bytes(emitted(log)[0].value).item == {"price": 2.0}


def test_a_record_that_is_no_event_is_buried_with_its_reason_and_the_rest_joined(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    process = make_process()
    log.append(EVENTS, [Record("u", b"\xff{", 7)])
    send(log, make_event("c1", "click", 1, "a"))
    process.poll()
    [dead] = log.read(topics.events_dead("shop"), 0, 0)
    buried = orjson.loads(dead.value)
    assert (buried["id"], buried["partition"], buried["offset"], buried["value"]) == ("0:0", 0, 0, "\\xff{")
    assert (buried["reason"], buried["field"]) == ("not_json", "(record)")
    assert emitted_ids(log) == ["c1"]
    assert process.dead.num_buried == 1


def test_checkpoints_are_written_at_their_interval_and_only_after_changes(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent, clock: Clock, tmp_path: Path
) -> None:
    process = make_process()
    send(log, make_event("c1", "click", 1, "a"))
    process.poll()
    assert log.committed(CONSUMER_GROUP, EVENTS) == {}
    clock.now_s = 5.0
    process.poll()
    assert log.committed(CONSUMER_GROUP, EVENTS) == {0: 1}
    for _ in range(3):
        clock.now_s += 10
        process.poll()
    assert [path.name for path in (tmp_path / "joiner").iterdir()] == ["000000000001"]


@pytest.mark.parametrize(
    ("took_s", "expected_s"),
    [
        pytest.param(0.05, [5, 10, 15], id="quick ones are five seconds apart"),
        pytest.param(0.4, [5, 25, 45], id="others take a fiftieth of the time"),
        pytest.param(3.0, [5, 65, 125], id="and are a minute apart at most"),
        pytest.param(9.0, [5, 95, 185], id="but where they would take more than a tenth"),
    ],
)
def test_checkpoints_that_take_long_are_further_apart(
    took_s: float,
    expected_s: list[float],
    log: MemoryLog,
    make_process: Callable[..., JoinerProcess],
    make_event: MakeEvent,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began_s: list[float] = []

    def slow(state: JoinerState, folder: Path) -> dict[str, Any]:
        began_s.append(clock.now_s)
        clock.now_s += took_s
        return save_state(state, folder)

    monkeypatch.setattr(process_module, "save_state", slow)
    process, number = make_process(), 0
    while len(began_s) < len(expected_s):
        number += 1
        send(log, make_event(f"c{number}", "click", number, "a"))
        process.poll()
        clock.now_s += 0.5
    # each begins at the first look after its time
    assert [round(each - count * took_s) for count, each in enumerate(began_s)] == pytest.approx(expected_s, abs=1.5)


def test_a_restart_goes_on_from_the_checkpoint_and_leaves_out_what_was_emitted_since(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    process = make_process()
    send(log, make_event("i1", "impression", 1, shown=("a", "b")))
    process.poll()
    process.checkpoint()
    send(log, make_event("c1", "click", 2, "a"))
    process.poll()
    process = make_process()
    send(log, make_event("c2", "click", 3, "b"))
    process.poll()
    assert emitted_ids(log) == ["i1:a:click", "i1:b:click"]
    assert process.num_suppressed == 1


def test_without_a_checkpoint_everything_is_joined_again_and_nothing_emitted_twice(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    send_many = [make_event(f"c{n}", "click", n, f"i{n % 7}") for n in range(5000)]
    process = make_process()
    send(log, *send_many)
    while process.poll():
        pass
    process = make_process()
    while process.poll():
        pass
    assert len(emitted_ids(log)) == 5000
    assert process.num_suppressed == 5000
    assert process.counters.num_examples == 5000


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent, tmp_path: Path
) -> None:
    process = make_process()
    for number in range(2):
        send(log, make_event(f"i{number}", "impression", number, "a"))
        process.poll()
        newest = process.checkpoint()
    damaged = newest / "shown.arrow"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    process = make_process()
    assert process.event_offsets == {0: 1}
    process.poll()
    assert process.num_pending == 2


def test_a_lost_lease_stops_before_anything_is_emitted_and_the_next_holder_emits_it(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    def fence() -> None:
        raise LeaseLost("the lease went to another")

    process = make_process(fence)
    send(log, make_event("c1", "click", 1, "a"))
    with pytest.raises(LeaseLost):
        process.poll()
    assert emitted(log) == []
    make_process().poll()
    assert emitted_ids(log) == ["c1"]


def test_a_process_that_failed_to_emit_can_simply_be_polled_again(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    failures = iter([True])

    def fence() -> None:
        if next(failures, False):
            raise OSError("the network is away")

    process = make_process(fence)
    send(log, make_event("c1", "click", 1, "a"))
    with pytest.raises(OSError, match="away"):
        process.poll()
    process.poll()
    assert emitted_ids(log) == ["c1"]
    assert process.counters.num_events == 1


def test_a_quiet_stream_still_ends_windows(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent, clock: Clock
) -> None:
    process = make_process()
    send(log, make_event("i1", "impression", 1000, "a"))
    clock.now_s = 1.0
    process.poll()
    clock.now_s = 11.0
    process.poll()
    assert emitted_ids(log) == []
    clock.now_s = 11.1
    process.poll()
    assert emitted_ids(log) == ["i1:a:none"]


def test_a_backlog_is_joined_by_event_time_however_late_it_is_read(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent, clock: Clock
) -> None:
    clock.now_s = 1_000_000.0
    process = make_process()
    send(log, make_event("i1", "impression", 1000, "a"))
    process.poll()
    send(log, make_event("c1", "click", 2000, "a"))
    process.poll()
    assert emitted_ids(log) == ["i1:a:click"]


def test_events_trimmed_before_they_were_read_are_passed_over(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    process = make_process()
    process.checkpoint()
    send(log, *(make_event(f"c{n}", "click", n, "a") for n in range(4)))
    log.trim(EVENTS, 0, 3)
    process.poll()
    assert emitted_ids(log) == ["c3"]


def test_several_partitions_are_joined_to_the_same_examples(
    schema: Schema, tmp_path: Path, make_event: MakeEvent, clock: Clock
) -> None:
    events = []
    for n in range(400):
        user = f"u{n % 23}"
        events.append(make_event(f"i{n}", "impression", n * 100, shown=("a", "b"), user_id=user))
        if n % 3 == 0:
            events.append(make_event(f"c{n}", "click", n * 100 + 50, "a", user_id=user))
    found = []
    for num_partitions in (1, 4):
        log = MemoryLog()
        log.create_topic(EVENTS, num_partitions)
        process = JoinerProcess(log, "shop", schema, tmp_path / str(num_partitions), clock)
        for start in range(0, len(events), 50):
            send(log, *events[start : start + 50])
            while process.poll():
                pass
        clock.now_s = 10_000.0
        process.poll()
        found.append(sorted(emitted_ids(log)))
        clock.now_s = 0.0
    assert found[0] == found[1]
    # 800 shown, and of the 134 clicked that no purchase followed
    assert len(found[0]) == 934


def test_an_example_that_cannot_be_read_does_not_stop_a_restart(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    process = make_process()
    send(log, make_event("c1", "click", 1, "a"))
    process.poll()
    log.append(EXAMPLES, [Record("u", value, 0) for value in (b"\xff", b"[]", b'{"example_id": 7}')])
    process = make_process()
    send(log, make_event("c2", "click", 2, "a"))
    assert process.poll() == 2
    assert [orjson.loads(emitted(log)[place].value)["example_id"] for place in (0, 4)] == ["c1", "c2"]
    assert len(emitted(log)) == 5


def test_an_event_of_the_wrong_shape_is_buried_and_the_rest_joined(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent
) -> None:
    process = make_process()
    wrong = orjson.loads(make_event("c0", "click", 1, "a").to_bytes()) | {"timestamp_ms": "yesterday"}
    log.append(EVENTS, [Record("u", orjson.dumps(wrong), 7)])
    send(log, make_event("c1", "click", 1, "a"))
    process.poll()
    process.checkpoint()
    assert (emitted_ids(log), process.dead.num_buried) == (["c1"], 1)


@pytest.mark.parametrize("calls_before", [0, 1])
def test_a_joiner_without_its_lease_writes_no_checkpoint(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent, tmp_path: Path, calls_before: int
) -> None:
    """Stopped for a while, at once or in the midst of writing: its offsets are older than its successor's examples."""
    left: list[None] | None = None

    def fence() -> None:
        if left is not None:
            if not left:
                raise LeaseLost("gone")
            left.pop()

    process = make_process(fence=fence)
    send(log, make_event("i1", "impression", 1, shown=("a",)))
    process.poll()
    left = [None] * calls_before
    with pytest.raises(LeaseLost):
        process.checkpoint()
    assert list((tmp_path / "joiner").glob("*")) == []
    assert log.committed(CONSUMER_GROUP, EVENTS) == {}


def test_a_joiner_beyond_the_end_of_a_log_that_was_replaced_says_so(
    log: MemoryLog, make_process: Callable[..., JoinerProcess], make_event: MakeEvent, schema: Schema, tmp_path: Path
) -> None:
    """A log restored from an old backup ends before the checkpoint: waiting would lose what comes until then."""
    process = make_process()
    send(log, make_event("c1", "click", 1, "a"), make_event("c2", "click", 2, "a"))
    process.poll()
    process.checkpoint()
    restored = JoinerProcess(MemoryLog(), "shop", schema, tmp_path / "joiner", Clock())
    with pytest.raises(OffsetOutOfRange, match="ends at 0, before offset 2"):
        restored.poll()
