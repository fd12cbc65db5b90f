from __future__ import annotations

import numpy as np
import pytest

from engine.retrieval.asker import Asker
from engine.retrieval.candidates import NO_VECTOR_SCORE, QUOTAS, CandidateSources
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.exact_index import ExactIndex
from engine.retrieval.live_sources import LiveSources
from engine.retrieval.nearest import NearestItems
from engine.retrieval.source import Action
from engine.spec.event import CatalogChange

NUM_ITEMS = 2_000
ASKER = Asker("u", {}, {}, ("i0000",))


def named(numbers: range) -> list[str]:
    return [f"i{number:04}" for number in numbers]


@pytest.fixture
def catalogue() -> Catalogue:
    """Two thousand items; the higher the number, the newer."""
    catalogue = Catalogue()
    catalogue.apply(CatalogChange("item", each, updated_ms=place) for place, each in enumerate(named(range(NUM_ITEMS))))
    return catalogue


@pytest.fixture
def live() -> LiveSources:
    """`i0000` goes with i0300 to i0399; i0500 to i0599 are acted on most, each by ten."""
    live = LiveSources()
    live.observe([Action(f"t{user}", each, 0) for each in named(range(500, 600)) for user in range(10)])
    live.observe([Action(f"v{each}", pair, 0) for each in named(range(300, 400)) for pair in (each, "i0000")])
    return live


@pytest.fixture
def index() -> ExactIndex:
    """Item n at n tenths of a degree; the 500 newest have no vector yet."""
    index = ExactIndex(2)
    angles = np.radians(np.arange(1500) / 10)
    index.apply([], named(range(1500)), np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    return index


def test_every_source_brings_its_quota_and_what_several_bring_counts_once(
    catalogue: Catalogue, live: LiveSources, index: ExactIndex
) -> None:
    sources = CandidateSources(catalogue, live)
    nearest = NearestItems("two_tower", index, np.array([1.0, 0.0], np.float32))
    found = sources.nearest(nearest, ASKER, 10, {"i0000"})
    by_source: dict[str, list[str]] = {}
    for candidate in found:
        by_source.setdefault(candidate.source, []).append(candidate.item_id)
    assert len({candidate.item_id for candidate in found}) == len(found)
    assert by_source["two_tower"] == named(range(1, 201))
    assert len(by_source["item_to_item"]) == 60 and set(by_source["item_to_item"]) <= set(named(range(300, 400)))
    assert len(by_source["trending_1h"]) == 40 and set(by_source["trending_1h"]) <= set(named(range(500, 600)))
    # The day's twenty best are the hour's too.
    assert "trending_24h" not in by_source
    assert by_source["latest"] == named(range(1980, 2000))[::-1]
    assert len(found) == 200 + QUOTAS["item_to_item"] + QUOTAS["trending_1h"] + QUOTAS["latest"]


def test_all_are_scored_by_the_user_vector_and_the_last_are_those_without_a_vector(
    catalogue: Catalogue, live: LiveSources, index: ExactIndex
) -> None:
    nearest = NearestItems("two_tower", index, np.array([1.0, 0.0], np.float32))
    for candidate in CandidateSources(catalogue, live).nearest(nearest, ASKER, 10, set()):
        number = int(candidate.item_id[1:])
        expected = np.cos(np.radians(number / 10)) if number < 1500 else NO_VECTOR_SCORE
        assert candidate.score == pytest.approx(expected, abs=1e-5)


def test_without_a_model_the_sources_are_mixed_by_the_share_that_an_item_has_of_each(
    catalogue: Catalogue, live: LiveSources
) -> None:
    live.observe([Action(f"w{user}", "i0555", 0) for user in range(90)])
    found = {each.item_id: each for each in CandidateSources(catalogue, live).without_model(ASKER, {"i0000"})}
    # Of 1,190 actions a hundred were on i0555 and ten each on 99 others, one each on a hundred more, of which 50 are among the first 150.
    assert found["i0555"].score == pytest.approx(0.65 * 100 / 1140 + 0.05 * 100 / 1090)
    assert found["i0500"].score == pytest.approx(0.65 * 10 / 1140 + 0.05 * 10 / 1090)
    # A hundred items go equally well with the history.
    best = max((each for each in found.values() if each.source == "item_to_item"), key=lambda each: each.score)
    assert best.score == pytest.approx(0.3 / 100 + 0.65 / 1140)
    assert found["i0555"].source == "trending_1h"
    scores = {each.source: each.score for each in found.values()}
    assert scores["latest"] == scores["random"] == 0.0
    assert 450 < len(found) <= 550


def test_stranger_gets_no_personal_candidates(catalogue: Catalogue, live: LiveSources) -> None:
    found = CandidateSources(catalogue, live).without_model(Asker("new", {}, {}, ()), set())
    assert "item_to_item" not in {each.source for each in found}


def test_banned_and_deleted_items_come_from_no_source(
    catalogue: Catalogue, live: LiveSources, index: ExactIndex
) -> None:
    sources = CandidateSources(catalogue, live)
    deleted, banned = named(range(310, 330)), set(named(range(510, 600))) | {"i0001", "i1999"}
    catalogue.apply(CatalogChange("item", each, deleted=True) for each in deleted)
    nearest = NearestItems("two_tower", index, np.array([1.0, 0.0], np.float32))
    for found in (sources.nearest(nearest, ASKER, 10, banned), sources.without_model(ASKER, banned)):
        ids = {each.item_id for each in found}
        assert not ids & banned and not ids & set(deleted)
    assert [each.item_id for each in sources.given(["i0001", "i0310", "i0002", "i0002"], banned)] == ["i0002"]


def test_small_catalogue_is_answered_whole_whatever_the_sources_bring() -> None:
    catalogue, live = Catalogue(), LiveSources()
    catalogue.apply(CatalogChange("item", each, updated_ms=place) for place, each in enumerate(named(range(500))))
    live.observe([Action(f"t{user}", each, 0) for each in named(range(440, 500)) for user in range(2)])
    found = CandidateSources(catalogue, live).without_model(ASKER, {"i0000", "i0499"})
    assert sorted(each.item_id for each in found) == named(range(1, 499))
    assert {each.source for each in found} == {"trending_1h", "catalogue"}
