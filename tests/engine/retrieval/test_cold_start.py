from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.embedding.store import ServingStore
from engine.features.columns import columns_for_items
from engine.features.encoded import EncodedBatch, FidArray
from engine.features.encoder import FeatureEncoder
from engine.models.inputs import InputLayout
from engine.models.stand_ins import StandIns
from engine.retrieval import cold_start
from engine.retrieval.cold_start import ColdStart
from engine.retrieval.fid_owners import FidOwners
from engine.retrieval.index.vector_rows import Vectors
from engine.retrieval.item_rows import Rows
from engine.spec.definition import ModelDefinition, Side, Slot, TwoTower

DEFINITION = ModelDefinition(
    slots=[
        Slot(name="user", number=1, source="user.id", dim=4),
        Slot(name="item", number=2, source="item.id", dim=4),
        Slot(name="tags", number=3, source="item.tags", dim=4),
    ],
    architecture=TwoTower(output_dim=4),
)

AXES = np.eye(4, dtype=np.float32)


def id_fids(*item_ids: str) -> FidArray:
    return hash_ids(pa.array(item_ids, pa.string()), 2)


class Shop:
    """Items by row, in the order they are put there."""

    def __init__(self) -> None:
        self.encoder = FeatureEncoder(DEFINITION)
        self.owners = FidOwners()
        self.cold_start = ColdStart(self.encoder, self.owners)
        self.store = ServingStore.for_definition(DEFINITION)

    def encode(self, items: dict[str, list[str]]) -> EncodedBatch:
        properties = [{"tags": tags} for tags in items.values()]
        columns = columns_for_items(list(items), properties, self.encoder.sources(Side.ITEM))
        return self.encoder.encode(columns, len(items), Side.ITEM)

    def put(self, first: int, items: dict[str, list[str]]) -> tuple[Rows, EncodedBatch]:
        rows, batch = np.arange(first, first + len(items), dtype=np.int32), self.encode(items)
        self.owners.write(rows, batch, ["item"])
        self.cold_start.write(rows, batch)
        return rows, batch

    def learn(self, vectors: dict[str, Vectors]) -> None:
        self.store.tables["dim4"].upsert(id_fids(*vectors), np.stack(list(vectors.values())))

    def stand_ins(self, rows: Rows, batch: EncodedBatch) -> dict[int, list[float]]:
        found = self.cold_start.stand_ins(rows, batch, self.store)
        if found is None:
            return {}
        fids, vectors = found.tables["dim4"]
        assert np.all(np.diff(fids.astype(object)) > 0)
        return dict(zip(fids.tolist(), vectors.tolist(), strict=True))


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.put(0, {"a": ["red", "big"], "b": ["red"], "c": ["blue"], "never seen": ["red", "big"]})
    shop.learn({"a": 2 * AXES[0], "b": 4 * AXES[1], "c": AXES[2]})
    return shop


def test_id_without_a_row_gets_the_mean_direction_and_length_of_those_that_share_properties(shop: Shop) -> None:
    found = shop.stand_ins(*shop.put(4, {"new": ["red"]}))
    assert list(found) == id_fids("new").tolist()
    # a + b has the direction (1, 2); a and b are 3 long on average.
    np.testing.assert_allclose(found[int(id_fids("new")[0])], 3 * np.array([1, 2, 0, 0]) / 5**0.5, rtol=1e-6)


def test_items_that_share_more_and_rarer_properties_count_before_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold_start, "NUM_LIKE", 1)
    one = Shop()
    one.put(0, {"a": ["red", "big"], "b": ["red"], "d": ["red"], "c": ["blue"]})
    one.learn({"a": AXES[0], "b": AXES[1], "d": AXES[1], "c": AXES[2]})
    assert one.stand_ins(*one.put(4, {"new": ["red", "big"]})) == {int(id_fids("new")[0]): AXES[0].tolist()}
    assert one.stand_ins(*one.put(5, {"other": ["red", "blue"]})) == {int(id_fids("other")[0]): AXES[2].tolist()}


def test_ids_with_rows_and_items_like_nothing_are_left_as_they_are(shop: Shop) -> None:
    assert shop.stand_ins(np.arange(3, dtype=np.int32), shop.encode({"a": [], "b": [], "c": []})) == {}
    assert shop.stand_ins(*shop.put(4, {"strange": ["green"], "bare": []})) == {}


def test_like_items_are_searched_for_again_as_long_as_there_are_few(shop: Shop) -> None:
    rows, batch = shop.put(4, {"new": ["green"]})
    assert shop.stand_ins(rows, batch) == {}
    shop.put(5, {"late": ["green"]})
    shop.learn({"late": AXES[3]})
    assert list(shop.stand_ins(rows, batch).values()) == [AXES[3].tolist()]


def test_an_item_that_is_like_nothing_is_searched_for_less_and_less_often(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, batch = shop.put(4, {"new": ["green"]})
    num_asked = 0
    searched_at: list[int] = []
    search = shop.owners.sample_of

    def noted(fids: FidArray, most: int) -> Any:
        searched_at.append(num_asked)
        return search(fids, most)

    monkeypatch.setattr(shop.owners, "sample_of", noted)
    while num_asked < 70:
        num_asked += 1
        shop.stand_ins(rows, batch)
    assert searched_at == [1, 2, 4, 8, 16, 32, 64]


def test_an_item_whose_properties_change_is_like_others(shop: Shop) -> None:
    shop.stand_ins(*shop.put(4, {"new": ["red"]}))
    found = shop.stand_ins(*shop.put(4, {"new": ["blue"]}))
    assert list(found.values()) == [AXES[2].tolist()]


def test_a_row_that_became_another_items_does_not_change_whom_it_stood_in_for(shop: Shop) -> None:
    rows, batch = shop.put(4, {"new": ["blue"]})
    before = shop.stand_ins(rows, batch)
    shop.owners.forget(np.array([2], np.int32))
    shop.cold_start.forget(np.array([2], np.int32))
    shop.put(2, {"another": ["red"]})
    shop.learn({"another": AXES[3]})
    assert shop.stand_ins(rows, batch) == before


def test_searches_are_bounded_and_everybody_has_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "SEARCHED_AT_ONCE", 3)
    shop = Shop()
    shop.put(0, {"a": ["red"]})
    shop.learn({"a": AXES[0]})
    rows, batch = shop.put(1, {f"new-{number}": ["red"] for number in range(8)})
    assert [len(shop.stand_ins(rows, batch)) for _ in range(4)] == [3, 6, 8, 8]


def test_many_items_at_once_find_what_each_finds_alone() -> None:
    generator = np.random.default_rng(1)
    tags = [[f"t{tag}" for tag in generator.integers(0, 40, 3)] for _ in range(400)]
    known = {f"known-{number}": each for number, each in enumerate(tags[:300])}
    new = {f"new-{number}": each for number, each in enumerate(tags[300:])}
    vectors = generator.standard_normal((300, 4)).astype(np.float32)
    together, alone = Shop(), Shop()
    for shop in (together, alone):
        shop.put(0, known)
        shop.learn(dict(zip(known, vectors, strict=True)))
    found = together.stand_ins(*together.put(300, new))
    for number, (item_id, each) in enumerate(new.items()):
        one = alone.stand_ins(*alone.put(300 + number, {item_id: each}))
        assert one.keys() <= found.keys() and len(one) == 1
    assert len(found) == 100


def test_rows_looked_up_are_replaced_where_there_is_a_stand_in() -> None:
    shop = Shop()
    shop.learn({"a": AXES[0]})
    sparse = InputLayout(DEFINITION).sparse_batch({Side.ITEM: shop.encode({"a": ["red"], "new": ["red"]})})
    rows = {"dim4": shop.store.tables["dim4"].lookup(sparse.values["dim4"].fids)}
    StandIns({"dim4": (id_fids("new"), AXES[[3]])}).fill(sparse.values, rows)
    by_fid = dict(zip(sparse.values["dim4"].fids.tolist(), rows["dim4"].tolist(), strict=True))
    assert by_fid[int(id_fids("a")[0])] == AXES[0].tolist()
    assert by_fid[int(id_fids("new")[0])] == AXES[3].tolist()
    assert not any(by_fid[int(hash_ids(pa.array(["red"]), 3)[0])])
