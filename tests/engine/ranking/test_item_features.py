"""The encoded item side: as the encoder gives it, of what the catalogue says now, in memory that does not run away."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.features.columns import columns_for_items
from engine.features.encoded import EncodedBatch
from engine.features.encoder import FeatureEncoder
from engine.features.records import RecordLayout
from engine.ranking.item_features import ItemFeatures
from engine.ranking.record_memory import NONE, RecordMemory
from engine.ranking.user_features import UserFeatures
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import QUARANTINE_S, Rows
from engine.spec.definition import DeepFM, ModelDefinition, Side, Slot
from engine.spec.event import CatalogChange
from tests.engine.features import every_kind
from tests.engine.ranking.scenes import Clock, asker_of, item

DEFINITION = every_kind.definition()
LISTS = ModelDefinition(
    slots=[
        Slot(name="item", number=1, source="item.id", dim=4),
        Slot(name="tags", number=2, source="item.tags", dim=4, max_values=50),
    ],
    architecture=DeepFM(hidden=[4]),
)


def direct(catalogue: Catalogue, encoder: FeatureEncoder, rows: Rows) -> EncodedBatch:
    columns = columns_for_items(catalogue.ids_of(rows), catalogue.properties_of_rows(rows), encoder.sources(Side.ITEM))
    return encoder.encode(columns, len(rows), Side.ITEM)


def assert_equal(found: EncodedBatch, expected: EncodedBatch) -> None:
    np.testing.assert_array_equal(found.dense, expected.dense)
    assert found.slots.keys() == expected.slots.keys()
    for name, values in expected.slots.items():
        np.testing.assert_array_equal(found.slots[name].fids, values.fids)
        np.testing.assert_array_equal(found.slots[name].offsets, values.offsets)


def filled(num: int = 40) -> Catalogue:
    catalogue = Catalogue()
    catalogue.apply(item(f"i{number}", each.item) for number, each in enumerate(every_kind.examples(num)))
    return catalogue


def test_rows_are_encoded_as_the_encoder_does_whether_refreshed_or_asked_for_first() -> None:
    catalogue, encoder = filled(), FeatureEncoder(DEFINITION)
    features = ItemFeatures(catalogue, encoder)
    rows = np.array([7, 3, 3, 39, 0], np.int32)
    assert_equal(features.encoded(rows), direct(catalogue, encoder, rows))
    assert features.num_waiting == 40
    assert [features.refresh(16) for _ in range(4)] == [16, 16, 8, 0]
    every = np.arange(40, dtype=np.int32)
    assert_equal(features.encoded(every), direct(catalogue, encoder, every))


def test_changed_items_are_never_answered_from_before() -> None:
    catalogue, encoder = filled(), FeatureEncoder(DEFINITION)
    features = ItemFeatures(catalogue, encoder)
    while features.refresh():
        continue
    other = every_kind.examples(3, seed=8)
    changes = catalogue.apply(
        [item("i4", other[0].item), item("new", other[1].item), CatalogChange("item", "i5", deleted=True)]
    )
    features.mark_changed(changes)
    rows = catalogue.rows_of(["i4", "new", "i6"])
    assert_equal(features.encoded(rows), direct(catalogue, encoder, rows))
    assert features.refresh() == 2 and features.refresh() == 0


steps = st.lists(
    st.tuples(st.sampled_from(["write", "delete", "refresh", "read", "wait"]), st.integers(0, 5), st.integers(0, 3)),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_any_history_of_writes_deletes_and_reads_leaves_what_the_encoder_says(
    history: list[tuple[str, int, int]],
) -> None:
    clock = Clock()
    catalogue, encoder = Catalogue(clock), FeatureEncoder(LISTS)
    features = ItemFeatures(catalogue, encoder)
    for step, number, length in history:
        if step == "write":
            tags = [f"{length}-{place}" for place in range(length)]
            features.mark_changed(catalogue.apply([item(f"i{number}", {"tags": tags})]))
        elif step == "delete":
            features.mark_changed(catalogue.apply([CatalogChange("item", f"i{number}", deleted=True)]))
        elif step == "refresh":
            features.refresh(length)
        elif step == "wait":
            clock.now_s += QUARANTINE_S
        else:
            rows = catalogue.rows_of(catalogue.all_ids())
            assert_equal(features.encoded(rows), direct(catalogue, encoder, rows))
    rows = catalogue.rows_of(catalogue.all_ids())
    assert_equal(features.encoded(rows), direct(catalogue, encoder, rows))


def test_memory_is_bounded_by_what_is_alive() -> None:
    catalogue = Catalogue()
    features = ItemFeatures(catalogue, FeatureEncoder(LISTS))
    for turn in range(60):
        changes = catalogue.apply(
            item(f"i{number}", {"tags": [f"t{turn}-{place}" for place in range(40)]}) for number in range(400)
        )
        features.mark_changed(changes)
        while features.refresh():
            continue
    alive_bytes = 400 * 8 * (1 + 41)
    assert features.memory_bytes < 20 * alive_bytes
    rows = np.arange(400, dtype=np.int32)
    assert_equal(features.encoded(rows), direct(catalogue, FeatureEncoder(LISTS), rows))


def test_readers_see_whole_records_while_one_writes_grows_and_compacts() -> None:
    layout = RecordLayout(LISTS, Side.ITEM)
    encoder = FeatureEncoder(LISTS)
    memory = RecordMemory(layout)
    num, lengths = 200, (1, 17, 40)

    def packed(length: int) -> Any:
        tags = [[f"{number}-{place}" for place in range(length)] for number in range(num)]
        columns = columns_for_items(
            [f"i{n}" for n in range(num)], [{"tags": each} for each in tags], ["item.id", "item.tags"]
        )
        return layout.pack(encoder.encode(columns, num, Side.ITEM))

    versions = {length: packed(length) for length in lengths}
    wholes = {length: layout.unpack(each).slots["tags"].fids.reshape(num, length) for length, each in versions.items()}
    stop, wrong = threading.Event(), []

    def read() -> None:
        rng = np.random.default_rng(1)
        while not stop.is_set():
            rows = rng.integers(0, num, 50).astype(np.int32)
            records = memory.find(rows)
            known = records.starts != NONE
            if not known.all():
                continue
            tags = layout.unpack(records).slots["tags"]
            for place, row in enumerate(rows.tolist()):
                mine = tags.fids[tags.offsets[place] : tags.offsets[place + 1]]
                if len(mine) not in wholes or (mine != wholes[len(mine)][row]).any():
                    wrong.append(row)

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        rows = np.arange(num, dtype=np.int32)
        for turn in range(60):
            memory.write(rows, versions[lengths[turn % 3]])
        stop.set()
        for reader in readers:
            reader.result()
    assert not wrong


def test_reader_of_memory_that_has_grown_meets_no_record_that_only_the_larger_one_has() -> None:
    layout = RecordLayout(LISTS, Side.ITEM)
    memory = RecordMemory(layout)
    columns = columns_for_items(["i"], [{"tags": [f"t{number}" for number in range(40)]}], ["item.id", "item.tags"])
    packed = layout.pack(FeatureEncoder(LISTS).encode(columns, 1, Side.ITEM))
    rows = np.zeros(1, np.int32)
    memory.write(rows, packed)
    held = memory._memory
    for _ in range(2 * held.words.size // packed.words.size):
        memory.write(rows, packed)
    assert memory._memory.words.size > held.words.size
    assert (held.starts[rows] + packed.words.size <= held.words.size).all()


def test_askers_are_encoded_as_the_encoder_does() -> None:
    encoder, users = FeatureEncoder(DEFINITION), UserFeatures(DEFINITION)
    sources = encoder.sources(Side.USER)
    for example in every_kind.examples(60, seed=2):
        asker = asker_of(example)
        expected = encoder.encode(asker.columns(sources), 1, Side.USER)
        assert users.record(asker).words.tobytes() == users.layout.pack(expected).words.tobytes()
        assert_equal(users.encoded(asker), expected)
