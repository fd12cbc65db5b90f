"""The schema's counters from the log to an answer, and from the answer to the example that is learned from."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.features.counters import ALLOWED_SKEW_S
from engine.joining.counter_checkpoint import newest_counters
from engine.joining.process import JoinerProcess
from engine.serving import live_counters
from engine.serving.deployment import DeploymentSpec
from engine.serving.replica import Replica
from engine.serving.requests import RecommendReply
from engine.spec.definition import DeepFM, DenseInput, ModelDefinition, Slot
from engine.spec.event import Event, ShownItem
from engine.spec.example import Example
from engine.spec.schema import EventRole, Schema
from engine.streams import topics
from engine.streams.log import Record

PROJECT = "shop"
SCHEMA = Schema.parse(
    {
        "users": {"country": {"type": "string"}},
        "items": {"kind": {"type": "string"}},
        "events": {
            "click": {"properties": {"device": {"type": "string"}}},
            "impression": {"role": "impression", "properties": {"device": {"type": "string"}}},
        },
        "history_length": 1,
        "join_window_s": 60,
        "counters": {
            "clicks": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [600], "half_lives_s": [60]},
            "shows": {"keys": ["item.id"], "event_types": ["impression"], "windows_s": [600]},
            "kinds": {"keys": ["user.country", "item.kind"], "event_types": ["click"], "windows_s": [600]},
            "busy": {"keys": ["user.id"], "event_types": ["click", "impression"], "windows_s": [600]},
            "devices": {"keys": ["event.device"], "event_types": ["click"], "windows_s": [3600]},
        },
    }
)
RANKING = ModelDefinition(
    slots=[
        Slot(name="user", number=1, source="user.id", dim=4),
        Slot(name="item", number=2, source="item.id", dim=4),
    ],
    dense=[
        DenseInput(name="clicks", source="counter.clicks_10m"),
        DenseInput(name="busy", source="counter.busy_10m"),
    ],
    architecture=DeepFM(hidden=[8]),
)


@pytest.fixture
def stage(shop: Any) -> Any:
    """A shop of five items and a ranking model that reads counters; nothing happened yet, nothing is deployed."""
    for number in range(5):
        shop.write(f"i{number}", kind="book" if number < 3 else "film")
    shop.write_user("u", country="de")
    shop.write_user("v", country="de")
    model = shop.model("order", RANKING)
    for user_id in ("u", "v"):
        model.set_row("user", user_id, [0.3, -0.2, 0.1, 0.4])
    model.publish(events_through=0, dense=True)
    return model


def deploy(shop: Any, model: Any = None, schema: Schema = SCHEMA) -> None:
    shop.replica.deploy(DeploymentSpec(PROJECT, "main", schema, ranking=None if model is None else model.ref))


def restarted(shop: Any, model: Any = None) -> None:
    shop.replica = Replica(shop.log, shop.directory, name="r-2", clock=lambda: shop.now_s)
    deploy(shop, model)


def send(shop: Any, *events: Event) -> None:
    shop.log.append(topics.events(PROJECT), [Record(one.user_id, one.to_bytes(), one.timestamp_ms) for one in events])


def click(shop: Any, user_id: str, item_id: str, **fields: Any) -> Event:
    shop.now_s += 1.0
    at_ms = int(shop.now_s * 1000)
    values: dict[str, Any] = {"timestamp_ms": at_ms, "received_ms": at_ms} | fields
    return Event(uuid.uuid4().hex, "click", EventRole.ACTION, user_id, item_id, **values)


def impression(shop: Any, user_id: str, reply: RecommendReply, device: str) -> Event:
    """As the web app appends it."""
    at_ms = int(shop.now_s * 1000)
    return Event(
        uuid.uuid4().hex,
        "impression",
        EventRole.IMPRESSION,
        user_id,
        None,
        at_ms,
        at_ms,
        recommendation_id=uuid.uuid4().hex,
        items=tuple(ShownItem(item.item_id, place, item.score) for place, item in enumerate(reply.items)),
        properties={"device": device},
        features=reply.features,
    )


def joiner(shop: Any) -> JoinerProcess:
    directory = shop.directory / "joiners" / PROJECT
    return JoinerProcess(shop.log, PROJECT, SCHEMA, directory, lambda: shop.now_s)


def joined(shop: Any) -> list[Example]:
    process = joiner(shop)
    while process.poll():
        continue
    return [Example.from_bytes(record.value) for record in shop.log.read(topics.examples(PROJECT), 0, 0, 10_000)]


def counted(shop: Any, name: str, item_ids: tuple[str, ...] = ("i0", "i1"), **fields: Any) -> list[float]:
    counters = shop.recommend(candidates=item_ids, **fields).features["counters"]
    return [counters[item_id][name] for item_id in item_ids]


def test_a_request_reads_the_counters_of_user_item_pair_and_context(shop: Any) -> None:
    shop.write("i0", "i1", kind="book")
    shop.write("i4", kind="film")
    shop.write_user("u", country="de")
    shop.write_user("v", country="de")
    deploy(shop)
    send(
        shop,
        click(shop, "v", "i0", properties={"device": "tv"}),
        click(shop, "v", "i0"),
        click(shop, "nobody", "i1", properties={"device": "tv"}),
        click(shop, "u", "i4"),
    )
    shop.poll()
    items = ("i0", "i1", "i4")
    assert counted(shop, "clicks_10m", items) == [2.0, 1.0, 1.0]
    assert counted(shop, "kinds_10m", items) == [2.0, 2.0, 1.0]
    assert counted(shop, "busy_10m", items) == [1.0, 1.0, 1.0]
    assert counted(shop, "devices_1h", items, context={"device": "tv"}) == [2.0, 2.0, 2.0]
    assert counted(shop, "devices_1h", items) == [0.0, 0.0, 0.0]
    assert counted(shop, "kinds_10m", items, user_properties={"country": "fr"}) == [0.0, 0.0, 0.0]


def test_counters_fade_with_the_replicas_clock(shop: Any) -> None:
    shop.write("i0")
    deploy(shop)
    send(shop, click(shop, "v", "i0"))
    shop.poll()
    assert counted(shop, "clicks_decayed_1m", ("i0",)) == [1.0]
    shop.now_s += 120
    assert counted(shop, "clicks_decayed_1m", ("i0",)) == [0.25]
    assert counted(shop, "clicks_10m", ("i0",)) == [1.0]
    shop.now_s += 600
    assert counted(shop, "clicks_10m", ("i0",)) == [0.0]


def test_scores_are_made_of_the_counters_that_are_logged_and_learned_from(shop: Any, stage: Any) -> None:
    """From the replica over the impression to the example: the same values, and the same score from them."""
    from engine.features.columns import columns_from_examples
    from engine.features.encoder import FeatureEncoder
    from engine.models.forward import Predictor

    deploy(shop, stage)
    send(shop, *(click(shop, "v", f"i{number}") for number in (0, 0, 0, 1, 3)), click(shop, "u", "i4"))
    shop.poll()
    reply = shop.recommend("u", context={"device": "tv"})
    shown = [item.item_id for item in reply.items]
    assert sorted(shown) == ["i0", "i1", "i2", "i3"]
    assert {item_id: reply.features["counters"][item_id]["clicks_10m"] for item_id in shown} == {
        "i0": 3.0,
        "i1": 1.0,
        "i2": 0.0,
        "i3": 1.0,
    }
    served = impression(shop, "u", reply, "tv")
    # What happens between the answer and the join changes nothing of what the example has.
    send(shop, served, click(shop, "v", "i0"), click(shop, "u", shown[0], recommendation_id=served.recommendation_id))
    shop.now_s += 100
    send(shop, click(shop, "late", "i1"))
    examples = [one for one in joined(shop) if one.recommendation_id == served.recommendation_id]
    assert {one.item_id: one.counters for one in examples} == reply.features["counters"]
    assert sorted(one.item_id for one in examples) == sorted(shown)

    encoder, predictor = FeatureEncoder(RANKING), Predictor(RANKING, stage.store)
    predictor.load_dense_weights(stage.weights)
    batch = encoder.encode(columns_from_examples(examples, encoder.sources()), len(examples))
    learned = dict(zip((one.item_id for one in examples), predictor.scores(batch).tolist(), strict=True))
    assert {item.item_id: item.score for item in reply.items} == pytest.approx(learned)
    assert len({round(score, 6) for score in learned.values()}) == 3  # i1 and i3 have equal counters and no rows


def test_a_joiner_computes_what_a_replica_would_have_logged(shop: Any, stage: Any) -> None:
    """For actions without impression, and for impressions that came without features."""
    deploy(shop, stage)
    items = ("i0", "i1", "i4")
    for item_id in ("i0", "i1", "i0", "i4", "i0"):
        shop.poll()
        shop.now_s += 37
        event = click(shop, "v", item_id)
        expected = shop.recommend("v", candidates=items).features["counters"][item_id]
        send(shop, event)
        assert joined(shop)[-1].counters == expected


def test_a_replica_that_starts_is_warm_from_the_joiners_checkpoint(shop: Any) -> None:
    shop.write("i0", "i1")
    send(shop, *(click(shop, "v", item_id) for item_id in ("i0", "i0", "i1")))
    process = joiner(shop)
    process.poll()
    process.checkpoint()
    send(shop, click(shop, "v", "i1"), click(shop, "v", "i1"))
    # What the joiner has read may be trimmed: it is in the checkpoint.
    shop.log.trim(topics.events(PROJECT), 0, 3)
    deploy(shop)
    assert counted(shop, "clicks_10m") == [2.0, 3.0]
    # Events are read again for longer histories, and not counted again.
    deploy(shop, schema=SCHEMA.model_copy(update={"history_length": 5}))
    assert counted(shop, "clicks_10m") == [2.0, 3.0]


def test_a_replica_without_a_joiners_checkpoint_counts_the_longest_window_anew(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write("i0", "i1")
    old = click(shop, "v", "i0")
    shop.now_s += 4000
    send(shop, old, *(click(shop, "v", item_id) for item_id in ("i0", "i0", "i1")))
    restarted(shop)
    assert counted(shop, "clicks_10m") == [2.0, 1.0]
    monkeypatch.setattr(live_counters, "MAX_REPLAYED", 2)
    restarted(shop)
    assert counted(shop, "clicks_10m") == [1.0, 1.0]


@pytest.mark.parametrize("damage", ["counters", "manifest", "all"])
def test_a_damaged_checkpoint_is_passed_over(shop: Any, damage: str) -> None:
    shop.write("i0", "i1")
    process = joiner(shop)
    folders = []
    for item_id in ("i0", "i1"):
        send(shop, click(shop, "v", item_id))
        process.poll()
        folders.append(process.checkpoint())
    for folder in folders if damage == "all" else folders[1:]:
        name = "manifest.json" if damage == "manifest" else "counters-item.id.arrow"
        path = Path(folder) / name
        path.write_bytes(path.read_bytes()[:-9])
    found = newest_counters(shop.directory / "joiners" / PROJECT)
    assert (found is None) if damage == "all" else (found is not None and found.event_offsets == {0: 1})
    restarted(shop)
    assert counted(shop, "clicks_10m") == [1.0, 1.0]


def test_a_checkpoint_of_another_log_is_not_used(shop: Any) -> None:
    shop.write("i0", "i1")
    send(shop, *(click(shop, "v", "i0") for _ in range(5)))
    process = joiner(shop)
    process.poll()
    process.checkpoint()
    other = type(shop)(shop.directory)
    other.now_s = shop.now_s
    other.write("i0", "i1")
    send(other, click(other, "v", "i1"))
    deploy(other)
    assert counted(other, "clicks_10m") == [0.0, 1.0]


def test_an_event_dated_and_received_ahead_of_the_clock_is_not_counted(shop: Any) -> None:
    shop.write("i0")
    deploy(shop)
    ahead_ms = int((shop.now_s + ALLOWED_SKEW_S + 10) * 1000)
    send(
        shop,
        click(shop, "v", "i0", timestamp_ms=ahead_ms, received_ms=ahead_ms),
        click(shop, "v", "i0", timestamp_ms=ahead_ms),  # received now: dated ahead, and counted as of its receipt
    )
    shop.poll()
    assert counted(shop, "clicks_10m", ("i0",)) == [1.0]


def test_a_new_schema_brings_its_counters_and_takes_away_the_old(shop: Any) -> None:
    shop.write("i0", "i1")
    deploy(shop, schema=SCHEMA.model_copy(update={"counters": {}}))
    send(shop, *(click(shop, "v", "i0") for _ in range(2)))
    shop.poll()
    assert "counters" not in shop.recommend().features
    deploy(shop)
    assert counted(shop, "clicks_10m") == [2.0, 0.0]
    send(shop, click(shop, "v", "i1"))
    shop.poll()
    assert counted(shop, "clicks_10m") == [2.0, 1.0]


def test_counters_are_logged_whatever_answers(shop: Any, retrieving: Any, pointing: Callable[..., Any]) -> None:
    """Without a ranking model that reads them they are read for the items shown alone."""
    shop.replica.deploy(DeploymentSpec(PROJECT, "main", SCHEMA, retrieval=retrieving.ref))
    send(shop, click(shop, "v", "i0"))
    shop.poll()
    reply = shop.recommend(k=2)
    assert list(reply.features["counters"]) == [item.item_id for item in reply.items]
    assert reply.features["counters"]["i0"]["clicks_10m"] == 1.0
