from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from engine.streams.memory import MemoryLog
from engine.training.online import OnlineTrainer
from engine.training.report import REPORT_EVERY_S, Report, Reporter
from engine.training.slot_census import SlotCensus
from engine.training.state import TrainingState
from tests.engine.training.made import FakeClock, append_examples, as_logged, make_definition, make_examples, with_rules

DEFINITION = with_rules(
    make_definition("deepfm", training={"slices": ["event.device"]}),
    {"user_id": {"admission": {"kind": "min_count", "min_count": 1_000}}},
)


def learned() -> TrainingState:
    state = TrainingState(DEFINITION)
    for start in range(0, 256, 64):
        state.learn(as_logged(make_examples(256)[start : start + 64], start))
    return state


def test_rows_of_slots_add_up_to_the_tables() -> None:
    state = learned()
    report = Reporter(state).report()
    slots = {each["name"]: each for each in report["slots"]}
    assert sum(each.get("num_rows", 0) for each in slots.values()) == state.store.num_rows
    assert (slots["topic"]["num_rows"], slots["device"]["num_rows"]) == (3, 1)
    assert "num_rows" not in slots["history"] and slots["history"]["shares"] == "item_id"
    # nobody came a thousand times: twenty users wait
    assert (slots["user_id"]["num_rows"], slots["user_id"]["num_candidates"]) == (0, 20)
    (table,) = report["tables"]
    assert (table["name"], table["num_rows"]) == ("dim8", state.store.num_rows)


def test_what_became_of_the_ids_of_slots_adds_up_to_the_tables() -> None:
    report = Reporter(learned()).report()
    (table,) = report["tables"]
    owners = [each for each in report["slots"] if each["shares"] is None]
    for name in ("num_admitted", "num_expired", "num_over_budget", "num_turned_away"):
        assert sum(each[name] for each in owners) == table[name]
    turned_away = {each["name"]: each["num_turned_away"] for each in owners}
    assert turned_away.pop("user_id") > 0 and set(turned_away.values()) == {0}
    assert next(each for each in owners if each["name"] == "topic")["num_admitted"] == 3


def test_report_is_a_json_document_with_every_slice() -> None:
    report = orjson.loads(orjson.dumps(Reporter(learned()).report()))
    assert set(report) == {"slices", "reliability", "tables", "slots"}
    assert list(report["slices"]["event.device"]) == ["phone"]
    assert len(report["reliability"]) == 10


def test_census_counts_a_table_by_and_by(monkeypatch: Any) -> None:
    monkeypatch.setattr("engine.training.slot_census.ROWS_PER_TURN", 1)
    monkeypatch.setattr("engine.training.slot_census._PIECE", 1)
    state = learned()
    census = SlotCensus(state.store)
    turns = 0
    while census.num_rows(4) is None:
        census.turn()
        turns += 1
    assert turns > 1
    assert (
        sum(census.num_rows(slot.number) or 0 for slot in DEFINITION.slots if slot.shares is None)
        == state.store.num_rows
    )


def test_online_trainer_reports_now_and_then(tmp_path: Path) -> None:
    log, clock = MemoryLog(), FakeClock()
    reports: list[Report] = []
    append_examples(log, "p", make_examples(64))
    trainer = OnlineTrainer(DEFINITION, log, "p", "m", 1, tmp_path, clock=clock, on_report=reports.append)
    trainer.poll(0.0)
    assert len(reports) == 1
    trainer.poll(0.0)
    assert len(reports) == 1
    clock.now_s += REPORT_EVERY_S
    trainer.poll(0.0)
    assert len(reports) == 2
    trainer.close()
    assert len(reports) == 3
