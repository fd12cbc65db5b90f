"""What every source of candidates promises, whatever it looks at."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.catalogue_sources import NewestItems, RandomItems
from engine.retrieval.co_occurring import CoOccurringItems
from engine.retrieval.exact_index import ExactIndex
from engine.retrieval.item_to_item import ItemToItemSettings
from engine.retrieval.live_sources import LiveSources
from engine.retrieval.nearest import NearestItems
from engine.retrieval.source import Action, ActionFollower, CandidateSource, Eligible
from engine.retrieval.trending import TrendingItems
from engine.spec.candidates import Candidates, CoOccurrence
from engine.spec.event import CatalogChange

ITEMS = [f"i{number:02}" for number in range(30)]
ASKER = Asker("u", {}, {}, ("i00", "i01"))
STRANGER = Asker("stranger", {}, {}, ())


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


def co_occurring() -> CandidateSource:
    source = CoOccurringItems()
    source.observe(actions())
    return source


def trending() -> CandidateSource:
    source = TrendingItems()
    source.observe(actions())
    return source


def nearest() -> CandidateSource:
    index = ExactIndex(2)
    angles = np.linspace(0, 3, len(ITEMS))
    index.apply([], ITEMS, np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    return NearestItems("two_tower", index, np.array([1.0, 0.0], np.float32))


SOURCES: dict[str, Callable[[], CandidateSource]] = {
    "item_to_item": co_occurring,
    "trending": trending,
    "two_tower": nearest,
    "latest": lambda: NewestItems(catalogue_of(ITEMS)),
    "random": lambda: RandomItems(catalogue_of(ITEMS)),
}
EMPTY: dict[str, Callable[[], CandidateSource]] = {
    "item_to_item": CoOccurringItems,
    "trending": TrendingItems,
    "two_tower": lambda: NearestItems("two_tower", ExactIndex(2), np.ones(2, np.float32)),
    "latest": lambda: NewestItems(Catalogue()),
    "random": lambda: RandomItems(Catalogue()),
}
everything = Eligible(set(), lambda _: True)


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> CandidateSource:
    return SOURCES[request.param]()


def test_source_tells_its_name(source: CandidateSource) -> None:
    assert source.name in SOURCES


@pytest.mark.parametrize("num_items", [1, 7, 30, 1000])
def test_answer_is_no_longer_than_asked_has_each_item_once_and_the_best_first(
    source: CandidateSource, num_items: int
) -> None:
    found = source.candidates(ASKER, num_items, everything)
    ids = [item_id for item_id, _ in found]
    assert 0 < len(ids) <= num_items and len(set(ids)) == len(ids) and set(ids) <= set(ITEMS)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True) and np.isfinite(scores).all()


def test_fewer_are_the_beginning_of_more(source: CandidateSource) -> None:
    if source.name == "random":
        return  # has no order of its own to begin with
    assert source.candidates(ASKER, 5, everything) == source.candidates(ASKER, 20, everything)[:5]


def test_nothing_asked_is_nothing_answered(source: CandidateSource) -> None:
    assert source.candidates(ASKER, 0, everything) == []


def test_asking_twice_is_answered_alike_and_a_stranger_is_no_error(source: CandidateSource) -> None:
    assert source.candidates(ASKER, 10, everything) == source.candidates(ASKER, 10, everything)
    assert len(source.candidates(STRANGER, 10, everything)) <= 10


def test_what_is_banned_or_not_in_the_catalogue_makes_room_for_the_next(source: CandidateSource) -> None:
    whole = [item_id for item_id, _ in source.candidates(ASKER, 30, everything)]
    banned, gone = set(whole[:3]), set(whole[3:5])
    eligible = Eligible(banned, lambda item_id: item_id not in gone)
    ids = [item_id for item_id, _ in source.candidates(ASKER, 30, eligible)]
    assert ids == whole[5:]
    wanted = 4 if source.name in {"item_to_item", "trending"} else 0
    # Those that hold what is not in the catalogue look on behind it; the others hold nothing else.
    assert len(source.candidates(ASKER, 4, eligible)) >= wanted


@pytest.mark.parametrize("kind", EMPTY)
def test_source_that_knows_nothing_answers_nothing(kind: str) -> None:
    assert EMPTY[kind]().candidates(ASKER, 10, everything) == []


FOLLOWERS: dict[str, Callable[[], CoOccurringItems | TrendingItems]] = {
    "item_to_item": CoOccurringItems,
    "trending": TrendingItems,
}


@pytest.mark.parametrize("kind", FOLLOWERS)
def test_what_a_follower_says_does_not_depend_on_how_actions_were_cut(kind: str) -> None:
    whole, cut = FOLLOWERS[kind](), FOLLOWERS[kind]()
    steps = actions()
    whole.observe(steps)
    for start in range(0, len(steps), 11):
        cut.observe(steps[start : start + 11])
    cut.observe([])
    assert cut.candidates(ASKER, 30, everything) == whole.candidates(ASKER, 30, everything)


@pytest.mark.parametrize("kind", FOLLOWERS)
def test_follower_forgets_a_deleted_item_and_everything_when_told(kind: str) -> None:
    follower = FOLLOWERS[kind]()
    follower.observe(actions())
    best = follower.candidates(ASKER, 1, everything)[0][0]
    follower.forget(best)
    follower.forget("never seen")
    ids = [item_id for item_id, _ in follower.candidates(ASKER, 30, everything)]
    assert best not in ids and len(ids) >= 27
    follower.clear()
    assert follower.candidates(ASKER, 30, everything) == []
    follower.observe(actions())
    assert follower.candidates(ASKER, 1, everything)[0][0] == best


@pytest.mark.parametrize("kind", FOLLOWERS)
def test_follower_is_asked_while_it_learns(kind: str) -> None:
    follower: ActionFollower = FOLLOWERS[kind]()
    asked = SOURCES[kind]()
    assert isinstance(follower, CoOccurringItems | TrendingItems)
    answers: list[int] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(len(follower.candidates(ASKER, 30, everything)))

    thread = threading.Thread(target=ask)
    thread.start()
    follower.observe(actions())
    done.set()
    thread.join()
    assert answers and follower.candidates(ASKER, 30, everything) == asked.candidates(ASKER, 30, everything)


def test_co_occurring_items_go_with_the_history_and_trending_ones_with_the_hour() -> None:
    live = LiveSources()
    hour_ms = 3_600_000
    # Yesterday many took `old`; in the last hour some took `new`; those who take `cup` take `saucer`.
    live.observe([Action(f"a{user}", "old", 0) for user in range(20)])
    live.observe([Action(f"b{user}", "new", 24 * hour_ms) for user in range(5)])
    live.observe([Action("c", item_id, 24 * hour_ms) for item_id in ("cup", "saucer")])
    asker = Asker("x", {}, {}, ("cup",))
    assert [item_id for item_id, _ in live.item_to_item.candidates(asker, 5, everything)] == ["saucer"]
    # Twenty of a day ago count ten with a half-life of a day, next to nothing with one of an hour.
    assert dict(live.trending_24h.candidates(asker, 2, everything)) == pytest.approx({"old": 10.0, "new": 5.0})
    assert [item_id for item_id, _ in live.trending_1h.candidates(asker, 1, everything)] == ["new"]
    live.forget("saucer")
    live.forget("new")
    assert live.item_to_item.candidates(asker, 5, everything) == []
    assert "new" not in dict(live.trending_1h.candidates(asker, 9, everything))


def test_what_a_schema_leaves_out_is_as_it_was_before_it_could_be_said() -> None:
    assert ItemToItemSettings.of(CoOccurrence()) == ItemToItemSettings()


def test_what_goes_together_follows_the_schema_from_the_moment_it_says_so() -> None:
    live = LiveSources()
    together = [Action("c", item_id, hour * 3_600_000) for hour, item_id in enumerate(("cup", "saucer"))]
    asker = Asker("x", {}, {}, ("cup",))
    live.observe(together)
    assert [item_id for item_id, _ in live.item_to_item.candidates(asker, 5, everything)] == ["saucer"]
    live.configure(Candidates(item_to_item=CoOccurrence(max_gap_s=60.0)))
    assert live.item_to_item.candidates(asker, 5, everything) == live.trending_1h.candidates(asker, 5, everything) == []
    live.observe(together)
    # an hour apart is too far now, and what is trending is no concern of co-occurrence
    assert live.item_to_item.candidates(asker, 5, everything) == []
    assert len(live.trending_1h.candidates(asker, 5, everything)) == 2
