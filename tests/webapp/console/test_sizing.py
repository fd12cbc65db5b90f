"""The estimate before training against what training's own encoder and tables make of the same examples."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from engine.embedding.store import EmbeddingStore, table_name
from engine.features.columns import columns_from_examples
from engine.features.encoder import FeatureEncoder
from engine.spec.definition import ModelDefinition
from engine.spec.example import Cause, Example, Origin
from engine.streams import topics
from engine.streams.log import EventLog, Record
from tests.webapp.console.page import Page
from webapp.accounts.models import Project
from webapp.catalog.models import Item, User
from webapp.core.remembered import forget_everything
from webapp.registry.services import model_publish, schema_publish
from webapp.registry.sizing.counted import counted_rows
from webapp.registry.sizing.estimate import SlotEstimate, estimate_of
from webapp.registry.sizing.sample import MOST_EXAMPLES, data_sample
from webapp.registry.sizing.source_values import SourceValues
from webapp.training.models import Run
from webapp.training.services import run_note_report, run_start

FIRST_MS = 1_700_000_000_000
SCHEMA = {
    "users": {"country": {"type": "string"}},
    "items": {
        "topic": {"type": "string"},
        "tags": {"type": "string_list"},
        "title": {"type": "string"},
        "price": {"type": "float"},
    },
    "events": {
        "impression": {"role": "impression"},
        "click": {"role": "action", "properties": {"device": {"type": "string"}}},
    },
}
DEFINITION: dict[str, Any] = {
    "features": [
        {"kind": "cross", "name": "both", "sources": ["user.country", "item.topic"]},
        {"kind": "bucket", "name": "price_band", "source": "item.price", "boundaries": [5, 10, 20]},
        {"kind": "text", "name": "words", "source": "item.title", "sizes": [1, 2]},
        {"kind": "time", "name": "hour", "part": "hour", "utc_offset_minutes": 90},
    ],
    "slots": [
        {
            "name": "user_id",
            "number": 1,
            "source": "user.id",
            "dim": 8,
            "admission": {"kind": "min_count", "min_count": 3},
        },
        {"name": "item_id", "number": 2, "source": "item.id", "dim": 8},
        {"name": "history", "number": 3, "source": "user.history", "dim": 8, "shares": "item_id"},
        {"name": "tags", "number": 4, "source": "item.tags", "dim": 4, "max_values": 2},
        {"name": "both", "number": 5, "source": "feature.both", "dim": 4},
        {"name": "price_band", "number": 6, "source": "feature.price_band", "dim": 4},
        {"name": "words", "number": 7, "source": "feature.words", "dim": 4},
        {"name": "hour", "number": 8, "source": "feature.hour", "dim": 4},
        {"name": "ages", "number": 9, "source": "user.history_ages_s", "dim": 4},
    ],
    "architecture": {"kind": "dcn_v2"},
}
WITH_DEVICE = {
    **DEFINITION,
    "slots": [*DEFINITION["slots"], {"name": "device", "number": 10, "source": "event.device", "dim": 1}],
}


def examples_of(num: int, seed: int = 3) -> list[Example]:
    source = random.Random(seed)
    items = [{"topic": f"t{place % 12}", "tags": [f"g{place % 7}", f"g{place % 5}", "all"], "title": f"The Cup no. {place % 40}",
              "price": place % 25 + 0.5} for place in range(400)]  # fmt: skip
    weights = [1 / (place + 3) for place in range(400)]
    made = []
    for number in range(num):
        user, item = source.randrange(900), source.choices(range(400), weights)[0]
        time_ms = FIRST_MS + number * 20_000
        history = tuple(f"i{each}" for each in source.choices(range(400), weights, k=3))
        made.append(
            Example(
                f"e{number}", f"u{user}", f"i{item}", time_ms, Origin.IMPRESSION, {"click": float(number % 3 == 0)},
                Cause(0, number, time_ms), user={"country": f"c{user % 9}"}, item=items[item],
                event={"device": source.choice(["phone", "desk", ""])}, history=history, history_types=("click",) * 3,
                history_times_ms=tuple(time_ms - source.randrange(10**6) for _ in history),
            )
        )  # fmt: skip
    return made


def put(log: EventLog, project: Project, examples: Sequence[Example]) -> None:
    records = [Record(each.user_id, each.to_bytes(), each.event_time_ms) for each in examples]
    log.append(topics.examples(project.slug), records)
    forget_everything()


def trained_rows(definition: ModelDefinition, examples: Sequence[Example]) -> tuple[dict[int, int], EmbeddingStore]:
    """By slot number, rows of real tables after the encoder's FIDs were sighted one example after the other."""
    encoder = FeatureEncoder(definition)
    batch = encoder.encode(columns_from_examples(examples, encoder.sources()), len(examples))
    store = EmbeddingStore.for_definition(definition)
    for slot in definition.slots:
        fids = batch.slots[slot.name].fids
        store.tables[table_name(slot.dim)].lookup_or_create(
            fids, np.full(len(fids), definition.number_of(slot), np.uint16), 1
        )
    rows: dict[int, int] = {}
    for table in store.tables.values():
        for part in table.rows():
            for number in part.slots:
                rows[int(number)] = rows.get(int(number), 0) + 1
    return rows, store


@pytest.fixture
def schema(project: Project) -> None:
    schema_publish(project=project, document=SCHEMA)


def by_name(slots: Sequence[SlotEstimate]) -> dict[str, SlotEstimate]:
    return {slot.name: slot for slot in slots}


def test_it_finds_the_ids_that_the_encoder_finds() -> None:
    definition, examples = ModelDefinition.parse(WITH_DEVICE), examples_of(300)
    encoder = FeatureEncoder(definition)
    batch = encoder.encode(columns_from_examples(examples, encoder.sources()), len(examples))
    values = SourceValues(definition)
    for slot in definition.slots:
        found = [value for example in examples for value in values.of_slot(slot, example)]
        assert len(found) == len(batch.slots[slot.name].fids), slot.name
        assert len(set(found)) == len(np.unique(batch.slots[slot.name].fids)), slot.name


def test_it_counts_exactly_what_it_sees_whole(log: EventLog, project: Project, schema: None) -> None:
    definition, examples = ModelDefinition.parse(WITH_DEVICE), examples_of(1500)
    put(log, project, examples)
    estimate = estimate_of(definition, data_sample(project=project))
    rows, store = trained_rows(definition, examples)
    assert {definition.number_of(slot): round(by_name(estimate.slots)[slot.name].num_rows or 0)
            for slot in definition.slots if slot.shares is None} == rows  # fmt: skip
    assert estimate.table_bytes == pytest.approx(store.memory_bytes, rel=0.35)
    waiting = sum(table.counters.num_candidates for table in store.tables.values())
    assert by_name(estimate.slots)["user_id"].num_waiting == pytest.approx(waiting)


def test_it_is_near_what_it_sees_a_part_of(log: EventLog, project: Project, schema: None) -> None:
    definition, examples = ModelDefinition.parse(DEFINITION), examples_of(3 * MOST_EXAMPLES)
    put(log, project, examples)
    sample = data_sample(project=project)
    assert sample.num_examples == 3 * MOST_EXAMPLES
    assert sample.fraction == pytest.approx(1 / 3)
    assert sample.span_s == pytest.approx((3 * MOST_EXAMPLES - 1) * 20)
    estimate = estimate_of(definition, sample)
    rows, _ = trained_rows(definition, examples)
    for slot in estimate.slots:
        number = next(each.number for each in definition.slots if each.name == slot.name)
        assert slot.num_rows == pytest.approx(rows[number], rel=0.2), slot.name
        assert slot.least is not None and slot.most is not None
        assert slot.least <= (slot.num_ids or 0) <= slot.most
    assert "2,000 of 6,000 examples" in estimate.sample_words
    assert estimate.delta_rows is not None and estimate.day_bytes is not None


def test_it_estimates_from_the_catalogue_before_there_are_examples(project: Project, schema: None) -> None:
    User.objects.bulk_create(User(project=project, external_id=f"u{n}") for n in range(30))
    Item.objects.bulk_create(
        Item(project=project, external_id=f"i{n}", properties={"topic": f"t{n % 5}", "tags": ["a", f"b{n % 3}"]})
        for n in range(80)
    )
    slots = by_name(estimate_of(ModelDefinition.parse(DEFINITION), data_sample(project=project)).slots)
    assert (slots["user_id"].num_rows, slots["item_id"].num_rows, slots["tags"].num_rows) == (30, 80, 4)
    assert slots["user_id"].basis == "users in the catalogue"
    assert slots["both"].num_rows is None
    assert slots["both"].basis == "known when there are examples"


def test_it_says_what_a_budget_would_evict(log: EventLog, project: Project, schema: None) -> None:
    put(log, project, examples_of(1500))
    sample = data_sample(project=project)
    unlimited = estimate_of(ModelDefinition.parse(DEFINITION), sample)
    budget = {
        **DEFINITION,
        "slots": [{**slot, "dim": 512} for slot in DEFINITION["slots"]],
        "retention": {"max_table_bytes": 2**20},
    }
    limited = estimate_of(ModelDefinition.parse(budget), sample)
    assert unlimited.num_over == 0
    assert limited.num_rows == pytest.approx(2**20 // ((512 * 2) * 4 + 26))
    assert limited.num_rows + limited.num_over == pytest.approx(unlimited.num_rows)


def test_it_shows_beside_the_estimate_what_a_run_has_counted(project: Project, schema: None) -> None:
    version = model_publish(project=project, name="finder", document=DEFINITION)
    run = run_start(model_version=version, mode=Run.Mode.BATCH)
    slots = [{"name": "user_id", "num_rows": 77}, {"name": "item_id", "num_rows": 88}, {"name": "history"}]
    run_note_report(run=run, report={"slots": slots})
    other = {
        **DEFINITION,
        "slots": [{**DEFINITION["slots"][0], "admission": {"kind": "always"}}, *DEFINITION["slots"][1:]],
    }
    counted = counted_rows(project=project, definition=ModelDefinition.parse(other))
    assert {name: (one.num_rows, one.run_id, one.version) for name, one in counted.items()} == {
        "item_id": (88, run.pk, "finder v1")
    }


def test_it_shows_the_estimate_on_the_models_page(
    browser: Client, log: EventLog, project: Project, schema: None
) -> None:
    put(log, project, examples_of(400))
    model_publish(project=project, name="finder", document=DEFINITION)
    page = Page(browser.get(reverse("model", args=[project.slug, "finder"])).content.decode())
    assert "Estimated from all 400 examples" in page.text
    assert "counted in all examples" in page.text
    assert page.unlabelled == []
