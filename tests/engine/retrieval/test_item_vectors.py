from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.embedding.store import ServingStore
from engine.features.encoded import EncodedBatch
from engine.features.encoder import FeatureEncoder
from engine.models.stand_ins import StandIns
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.index.vector_rows import Vectors
from engine.retrieval.item_vectors import ItemVectors
from engine.spec.definition import ModelDefinition, Slot, TwoTower
from engine.spec.event import CatalogChange

DEFINITION = ModelDefinition(
    slots=[
        Slot(name="user", number=1, source="user.id"),
        Slot(name="item", number=2, source="item.id"),
        Slot(name="kind", number=3, source="item.kind"),
    ],
    architecture=TwoTower(output_dim=1),
)


class CountingTower:
    """Every vector is the number of the round it was computed in."""

    def __init__(self) -> None:
        self.round = 1.0
        self.num_computed = 0
        self.is_broken = False
        self.store = ServingStore.for_definition(DEFINITION)
        self.stand_ins: StandIns | None = None

    def item_vectors(self, batch: EncodedBatch, stand_ins: StandIns | None = None) -> Vectors:
        self.stand_ins = stand_ins
        if self.is_broken:
            raise RuntimeError("out of order")
        self.num_computed += batch.num_rows
        return np.full((batch.num_rows, 1), self.round, np.float32)


class Shelf:
    def __init__(self, num_items: int) -> None:
        self.catalogue = Catalogue()
        self.catalogue.apply(CatalogChange("item", f"i{n}", {"kind": f"k{n % 2}"}) for n in range(num_items))
        self.tower = CountingTower()
        self.vectors = ItemVectors(self.catalogue, FeatureEncoder(DEFINITION), self.tower)

    def next_round(self) -> None:
        self.tower.round += 1
        self.tower.num_computed = 0

    def rounds(self) -> dict[str, float]:
        found = self.vectors.index.search(np.ones(1, np.float32), 1000)
        return dict(sorted(zip(self.catalogue.ids_of(found.rows), found.scores.tolist(), strict=True)))


@pytest.fixture
def shelf() -> Shelf:
    shelf = Shelf(6)
    shelf.vectors.refresh_urgent()
    shelf.next_round()
    return shelf


def test_index_begins_with_the_whole_catalogue(shelf: Shelf) -> None:
    assert shelf.rounds() == {f"i{number}": 1.0 for number in range(6)}
    assert shelf.vectors.num_waiting == 0


def test_learned_item_is_renewed_and_nothing_else(shelf: Shelf) -> None:
    shelf.vectors.mark_rows(hash_ids(pa.array(["i3", "nobody"]), 2))
    assert shelf.vectors.refresh_urgent() == 1
    assert {item for item, when in shelf.rounds().items() if when == 2.0} == {"i3"}


def test_items_of_a_learned_property_wait_behind_items_that_were_learned(shelf: Shelf) -> None:
    shelf.vectors.mark_rows(hash_ids(pa.array(["k0"]), 3))
    shelf.vectors.mark_rows(hash_ids(pa.array(["i5"]), 2))
    assert shelf.vectors.num_waiting == 4
    assert shelf.vectors.refresh_urgent() == 1
    assert shelf.vectors.refresh(max_items=2) == 2
    assert {item for item, when in shelf.rounds().items() if when == 2.0} == {"i5", "i0", "i2"}
    assert shelf.vectors.refresh(max_items=2) == 1
    assert shelf.vectors.num_waiting == 0


def test_new_weights_renew_everything_a_bounded_piece_at_a_time(shelf: Shelf) -> None:
    shelf.vectors.mark_all()
    pieces = [shelf.vectors.refresh(max_items=4) for _ in range(3)]
    assert (pieces, shelf.tower.num_computed) == ([4, 2, 0], 6)


def test_item_marked_many_times_is_computed_once(shelf: Shelf) -> None:
    for _ in range(3):
        shelf.vectors.mark_all()
        shelf.vectors.mark_rows(hash_ids(pa.array(["i1", "i2"]), 2))
    shelf.vectors.refresh_urgent()
    while shelf.vectors.refresh():
        continue
    assert shelf.tower.num_computed == 6


def test_changed_item_follows_its_new_property_and_not_the_old_one(shelf: Shelf) -> None:
    shelf.vectors.mark_changed(shelf.catalogue.apply([CatalogChange("item", "i0", {"kind": "k1"})]))
    shelf.vectors.refresh_urgent()
    shelf.next_round()
    shelf.vectors.mark_rows(hash_ids(pa.array(["k1"]), 3))
    while shelf.vectors.refresh():
        continue
    assert {item for item, when in shelf.rounds().items() if when == 3.0} == {"i0", "i1", "i3", "i5"}


def test_item_written_is_in_the_index_after_the_next_piece_of_work(shelf: Shelf) -> None:
    shelf.vectors.mark_changed(shelf.catalogue.apply([CatalogChange("item", "new", {"kind": "k0"})]))
    shelf.vectors.refresh_urgent()
    assert shelf.rounds()["new"] == 2.0
    shelf.next_round()
    shelf.vectors.mark_rows(hash_ids(pa.array(["new"]), 2))
    assert shelf.vectors.refresh_urgent() == 1


def test_hidden_item_has_no_vector_until_it_is_shown_again(shelf: Shelf) -> None:
    shelf.vectors.mark_changed(shelf.catalogue.apply([CatalogChange("item", "i0", {"kind": "k0"}, hidden=True)]))
    shelf.vectors.refresh_urgent()
    shelf.vectors.mark_rows(hash_ids(pa.array(["i0", "k0"]), 2))
    while shelf.vectors.refresh():
        continue
    assert "i0" not in shelf.rounds() and shelf.vectors.num_waiting == 0
    shelf.vectors.mark_changed(shelf.catalogue.apply([CatalogChange("item", "i0", {"kind": "k0"})]))
    shelf.vectors.refresh_urgent()
    assert shelf.rounds()["i0"] == 2.0


def test_item_deleted_and_written_again_is_found_once(shelf: Shelf) -> None:
    changes = [CatalogChange("item", "i0", deleted=True), CatalogChange("item", "i0", {"kind": "k1"})]
    shelf.vectors.mark_changed(shelf.catalogue.apply(changes))
    shelf.vectors.refresh_urgent()
    assert shelf.vectors.index.num_vectors == 6
    assert shelf.rounds()["i0"] == 2.0


def test_deleted_item_leaves_the_index_at_once_even_while_it_waits(shelf: Shelf) -> None:
    shelf.vectors.mark_all()
    shelf.vectors.mark_changed(shelf.catalogue.apply([CatalogChange("item", "i0", deleted=True)]))
    assert "i0" not in shelf.rounds()
    while shelf.vectors.refresh():
        continue
    assert "i0" not in shelf.rounds()
    shelf.vectors.mark_rows(hash_ids(pa.array(["i0"]), 2))
    assert shelf.vectors.num_waiting == 0


def test_new_item_is_stood_in_for_until_it_has_a_row_of_its_own(shelf: Shelf) -> None:
    table = shelf.tower.store.tables["dim16"]
    known = hash_ids(pa.array(["i0", "i1", "i2"]), 2)
    table.upsert(known, np.eye(3, 16, dtype=np.float32))
    shelf.vectors.mark_changed(shelf.catalogue.apply([CatalogChange("item", "new", {"kind": "k0"})]))
    shelf.vectors.refresh_urgent()
    assert shelf.tower.stand_ins is not None
    (fids, vectors) = shelf.tower.stand_ins.tables["dim16"]
    own = hash_ids(pa.array(["new"]), 2)
    assert fids.tolist() == own.tolist()
    # Halfway between i0 and i2, which are of its kind, and as long as they are.
    np.testing.assert_allclose(vectors[0, :3], [0.5**0.5, 0, 0.5**0.5], rtol=1e-6)
    table.upsert(own, np.ones((1, 16), np.float32))
    shelf.vectors.mark_rows(own)
    shelf.vectors.refresh_urgent()
    assert shelf.tower.stand_ins is None


def test_work_that_failed_still_waits(shelf: Shelf) -> None:
    shelf.vectors.mark_rows(hash_ids(pa.array(["i3"]), 2))
    shelf.tower.is_broken = True
    with pytest.raises(RuntimeError, match="out of order"):
        shelf.vectors.refresh_urgent()
    shelf.tower.is_broken = False
    assert shelf.vectors.refresh_urgent() == 1
    assert shelf.rounds()["i3"] == 2.0
