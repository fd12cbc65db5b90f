"""What every source of candidates promises, whatever it looks at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.catalogue_sources import Everything, NewestItems, RandomItems
from engine.retrieval.co_occurring import CoOccurringItems
from engine.retrieval.item_rows import Rows
from engine.retrieval.item_to_item import ItemToItemSettings
from engine.retrieval.live_sources import LiveSources
from engine.retrieval.source import Action, Mask, RowSource
from engine.retrieval.trending import TrendingItems
from engine.spec.candidates import Candidates, CoOccurrence
from engine.spec.event import CatalogChange

ITEMS = [f"i{number:02}" for number in range(30)]
ASKER = Asker("u", {}, {}, ("i00", "i01"))
STRANGER = Asker("stranger", {}, {}, ())


@dataclass
class AllBut:
    """Everything servable but some items."""

    catalogue: Catalogue
    banned: frozenset[str] = frozenset()

    def mask(self) -> Mask:
        mask = self.catalogue.servable[: self.catalogue.num_rows].copy()
        rows = self.catalogue.rows_of(self.banned)
        mask[rows[rows >= 0]] = False
        return mask

    def mask_if_ready(self) -> Mask | None:
        return self.mask() if self.banned else None

    def keep(self, rows: Rows) -> Mask:
        kept: Mask = self.mask()[rows]
        return kept


@dataclass
class Asked:
    """A source, asked in ids."""

    catalogue: Catalogue
    source: RowSource
    live: LiveSources

    def __call__(self, asker: Asker, num_items: int, banned: frozenset[str] = frozenset()) -> list[tuple[str, float]]:
        self.live.renew()
        found = self.source.retrieve(asker, num_items, AllBut(self.catalogue, banned))
        assert found.rows.dtype == np.int32 and found.scores.dtype == np.float32
        return list(zip(self.catalogue.ids_of(found.rows), found.scores.tolist(), strict=True))


def catalogue_of(item_ids: list[str]) -> Catalogue:
    catalogue = Catalogue()
    catalogue.apply(CatalogChange("item", item_id, updated_ms=number) for number, item_id in enumerate(item_ids))
    return catalogue


def actions() -> list[Action]:
    """Every item is acted on, the later ones by more users; each user acts on i00 and i01 first."""
    steps = []
    for number, item_id in enumerate(ITEMS[2:]):
        for user in range(number + 1):
            name = f"{item_id}-{user}"
            steps += [Action(name, each, 1_000 * number) for each in ("i00", "i01", item_id)]
    return steps


SOURCES: dict[str, Callable[[LiveSources, Catalogue], RowSource]] = {
    "item_to_item": lambda live, _: live.item_to_item,
    "trending_1h": lambda live, _: live.trending_1h,
    "latest": lambda live, _: live.latest,
    "catalogue": lambda live, _: Everything(live.latest),
    "random": lambda _, catalogue: RandomItems(catalogue),
}


def asked(kind: str, catalogue: Catalogue, steps: list[Action]) -> Asked:
    live = LiveSources(catalogue)
    live.observe(steps)
    return Asked(catalogue, SOURCES[kind](live, catalogue), live)


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Asked:
    return asked(request.param, catalogue_of(ITEMS), actions())


def test_source_tells_its_name(source: Asked) -> None:
    assert source.source.name in SOURCES


@pytest.mark.parametrize("num_items", [1, 7, 30, 1000])
def test_answer_is_no_longer_than_asked_has_each_item_once_and_the_best_first(source: Asked, num_items: int) -> None:
    found = source(ASKER, num_items)
    ids = [item_id for item_id, _ in found]
    assert 0 < len(ids) <= num_items and len(set(ids)) == len(ids) and set(ids) <= set(ITEMS)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True) and np.isfinite(scores).all()


def test_fewer_are_the_beginning_of_more(source: Asked) -> None:
    if source.source.name == "random":
        return  # has no order of its own to begin with
    assert source(ASKER, 5) == source(ASKER, 20)[:5]


def test_nothing_asked_is_nothing_answered(source: Asked) -> None:
    assert source(ASKER, 0) == []


def test_asking_twice_is_answered_alike_and_a_stranger_is_no_error(source: Asked) -> None:
    assert source(ASKER, 10) == source(ASKER, 10)
    assert len(source(STRANGER, 10)) <= 10


def test_what_is_banned_or_not_in_the_catalogue_makes_room_for_the_next(source: Asked) -> None:
    whole = [item_id for item_id, _ in source(ASKER, 30)]
    source.catalogue.apply([CatalogChange("item", item_id, hidden=True) for item_id in whole[3:5]])
    banned = frozenset(whole[:3])
    rest = [item_id for item_id, _ in source(ASKER, 30, banned)]
    if source.source.name == "random":
        assert set(rest) == set(whole[5:])
    else:
        assert rest == whole[5:]
    assert len(source(ASKER, 4, banned)) == 4


@pytest.mark.parametrize("kind", SOURCES)
def test_source_that_knows_nothing_answers_nothing(kind: str) -> None:
    assert asked(kind, Catalogue(), [])(ASKER, 10) == []


@pytest.mark.parametrize("kind", ["item_to_item", "trending_1h"])
def test_items_acted_on_before_they_were_written_are_found_once_they_are(kind: str) -> None:
    catalogue = catalogue_of(ITEMS[:20])
    late = asked(kind, catalogue, actions())
    whole = asked(kind, catalogue_of(ITEMS), actions())(ASKER, 30)
    assert not {item_id for item_id, _ in late(ASKER, 30)} & set(ITEMS[20:])
    changes = catalogue.apply(CatalogChange("item", item_id) for item_id in ITEMS[20:])
    late.live.note_catalogue(changes)
    assert late(ASKER, 30) == whole


def test_newest_items_follow_the_catalogue_however_it_changes() -> None:
    generator = np.random.default_rng(3)
    catalogue = catalogue_of([f"n{number}" for number in range(3000)])
    newest = NewestItems(catalogue)
    written_ms = {f"n{number}": number for number in range(3000)}
    hidden: set[str] = set()
    for step in range(40):
        changes = []
        for number in generator.integers(0, 3200, 150).tolist():
            item_id, kind = f"n{number}", generator.integers(0, 4)
            if kind == 0:
                changes.append(CatalogChange("item", item_id, deleted=True))
                written_ms.pop(item_id, None)
                hidden.discard(item_id)
            else:
                at_ms = int(generator.integers(0, 4000))
                changes.append(CatalogChange("item", item_id, hidden=bool(kind == 1), updated_ms=at_ms))
                written_ms.setdefault(item_id, at_ms)
                (hidden.add if kind == 1 else hidden.discard)(item_id)
        newest.note_catalogue(catalogue.apply(changes))
        for num_items in (5, 400, 2000):
            found = catalogue.ids_of(newest.retrieve(STRANGER, num_items, AllBut(catalogue)).rows)
            expected = sorted((at_ms for item_id, at_ms in written_ms.items() if item_id not in hidden), reverse=True)
            assert [written_ms[item_id] for item_id in found] == expected[:num_items], (step, num_items)


def test_newest_items_beyond_those_kept_ready_are_found_when_a_filter_asks_for_them() -> None:
    catalogue = catalogue_of([f"n{number}" for number in range(3000)])
    banned = frozenset(f"n{number}" for number in range(1000, 3000))
    found = NewestItems(catalogue).retrieve(STRANGER, 3, AllBut(catalogue, banned))
    assert catalogue.ids_of(found.rows) == ["n999", "n998", "n997"]


FOLLOWERS = ("item_to_item", "trending_1h")


@pytest.mark.parametrize("kind", FOLLOWERS)
def test_what_a_follower_says_does_not_depend_on_how_actions_were_cut(kind: str) -> None:
    whole, cut = (asked(kind, catalogue_of(ITEMS), []) for _ in range(2))
    steps = actions()
    whole.live.observe(steps)
    for start in range(0, len(steps), 11):
        cut.live.observe(steps[start : start + 11])
    cut.live.observe([])
    assert cut(ASKER, 30) == whole(ASKER, 30)


@pytest.mark.parametrize("kind", FOLLOWERS)
def test_follower_forgets_a_deleted_item_and_everything_when_told(kind: str) -> None:
    follower = asked(kind, catalogue_of(ITEMS), actions())
    best = follower(ASKER, 1)[0][0]
    changes = follower.catalogue.apply(CatalogChange("item", each, deleted=True) for each in (best, "never seen"))
    follower.live.note_catalogue(changes)
    # Written again it is a new item, of which nobody has done anything.
    follower.live.note_catalogue(follower.catalogue.apply([CatalogChange("item", best)]))
    ids = [item_id for item_id, _ in follower(ASKER, 30)]
    assert best not in ids and len(ids) >= 27
    follower.live.clear()
    assert follower(ASKER, 30) == []
    follower.live.observe(actions())
    assert best in [item_id for item_id, _ in follower(ASKER, 2)]


@pytest.mark.parametrize("kind", FOLLOWERS)
def test_follower_is_asked_while_it_learns(kind: str) -> None:
    follower = asked(kind, catalogue_of(ITEMS), [])
    answers: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(len(follower.source.retrieve(ASKER, 30, AllBut(follower.catalogue))))

    thread = threading.Thread(target=ask)
    thread.start()
    follower.live.observe(actions())
    done.set()
    thread.join()
    assert answers and follower(ASKER, 30) == asked(kind, catalogue_of(ITEMS), actions())(ASKER, 30)


def test_items_keep_their_rows_when_the_less_frequent_half_is_forgotten() -> None:
    catalogue = catalogue_of(ITEMS)
    source = CoOccurringItems(catalogue, ItemToItemSettings(max_items=12, shrinkage=0.0))
    for start in range(0, 24, 4):
        for user in range(30 - start):
            source.observe([Action(f"{start}-{user}", each, user) for each in ITEMS[start : start + 4]])
    for start in (0, 20):
        found = source.retrieve(Asker("u", {}, {}, (ITEMS[start],)), 10, AllBut(catalogue))
        assert set(catalogue.ids_of(found.rows)) == set(ITEMS[start + 1 : start + 4])


def test_co_occurring_items_go_with_the_history_and_trending_ones_with_the_hour() -> None:
    catalogue = catalogue_of(["old", "new", "cup", "saucer"])
    live = LiveSources(catalogue)
    hour_ms = 3_600_000
    # Yesterday many took `old`; in the last hour some took `new`; those who take `cup` take `saucer`.
    live.observe([Action(f"a{user}", "old", 0) for user in range(20)])
    live.observe([Action(f"b{user}", "new", 24 * hour_ms) for user in range(5)])
    live.observe([Action("c", item_id, 24 * hour_ms) for item_id in ("cup", "saucer")])
    asker = Asker("x", {}, {}, ("cup",))
    together, hour, day = (
        Asked(catalogue, each, live) for each in (live.item_to_item, live.trending_1h, live.trending_24h)
    )
    assert [item_id for item_id, _ in together(asker, 5)] == ["saucer"]
    # Twenty of a day ago count ten with a half-life of a day, next to nothing with one of an hour.
    assert dict(day(asker, 2)) == pytest.approx({"old": 10.0, "new": 5.0})
    assert [item_id for item_id, _ in hour(asker, 1)] == ["new"]


def test_what_a_schema_leaves_out_is_as_it_was_before_it_could_be_said() -> None:
    assert ItemToItemSettings.of(CoOccurrence()) == ItemToItemSettings()


def test_what_goes_together_follows_the_schema_from_the_moment_it_says_so() -> None:
    catalogue = catalogue_of(["cup", "saucer"])
    live = LiveSources(catalogue)
    source, trending = Asked(catalogue, live.item_to_item, live), Asked(catalogue, live.trending_1h, live)
    together = [Action("c", item_id, hour * 3_600_000) for hour, item_id in enumerate(("cup", "saucer"))]
    asker = Asker("x", {}, {}, ("cup",))
    live.observe(together)
    assert [item_id for item_id, _ in source(asker, 5)] == ["saucer"]
    live.configure(Candidates(item_to_item=CoOccurrence(max_gap_s=60.0)))
    assert source(asker, 5) == trending(asker, 5) == []
    live.observe(together)
    # an hour apart is too far now, and what is trending is no concern of co-occurrence
    assert source(asker, 5) == []
    assert len(trending(asker, 5)) == 2


def test_trending_is_what_it_was_until_it_is_renewed() -> None:
    catalogue = catalogue_of(ITEMS)
    trending = TrendingItems(catalogue)
    trending.observe(actions())
    assert len(trending.retrieve(ASKER, 5, AllBut(catalogue))) == 0
    trending.renew()
    assert len(trending.retrieve(ASKER, 5, AllBut(catalogue))) == 5
