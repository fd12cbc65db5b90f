"""What a replica scored an item with is what training gets of it: every kind of feature, through the log and the joiner."""

from __future__ import annotations

from typing import Any

import pytest

from engine.features.columns import columns_from_examples
from engine.joining.joiner import Joiner
from engine.joining.state import JoinerSettings
from engine.models.forward import Predictor
from engine.serving.deployment import DeploymentSpec
from engine.spec.event import CatalogChange, Event, ShownItem
from engine.spec.example import Example
from engine.spec.schema import EventRole
from engine.streams import topics
from engine.sync.delta import TrainedThrough
from engine.sync.publisher import Publisher
from engine.training.state import TrainingState
from tests.engine.features import every_kind
from tests.engine.training.made import as_logged

PROJECT = "shop"
DEFINITION = every_kind.definition(training={"batch_size": 64})
ITEMS = tuple(f"item-{number}" for number in range(6))


@pytest.fixture(scope="module")
def trained() -> TrainingState:
    state = TrainingState(DEFINITION)
    for batch in range(3):
        state.learn(as_logged(every_kind.examples(64, seed=batch), 64 * batch))
    return state


def serve(shop: Any, state: TrainingState) -> None:
    """A catalogue in which some properties are missing, a user with a history, and the trained model."""
    for number, (item_id, example) in enumerate(zip(ITEMS, every_kind.examples(len(ITEMS), seed=11), strict=True)):
        shop.write(item_id, **{**example.item, "published": 1000 * number})
    shop.write_user("user-3", country="de", age=41, joined=0)
    for item_id in ITEMS[:4]:
        shop.click("user-3", item_id)
    reference = shop.model("order", DEFINITION).ref
    publisher = Publisher(
        shop.log,
        topics.params(PROJECT, "order", 1),
        project=PROJECT,
        model="order",
        version=1,
        store=state.store,
        clock_ms=lambda: int(shop.now_s * 1000),
    )
    publisher.publish_rows(TrainedThrough())
    publisher.publish_dense(state.architecture.dense_weights(), TrainedThrough())
    shop.replica.deploy(DeploymentSpec(PROJECT, "main", every_kind.SCHEMA, ranking=reference))


def joined(shop: Any, *events: Event) -> list[Example]:
    """What the joiner makes of the catalogue and the events of the log, then of these."""
    joiner = Joiner(JoinerSettings.from_schema(every_kind.SCHEMA))
    for record in shop.log.read(topics.catalog(PROJECT), 0, 0, 1000):
        joiner.apply_catalog(CatalogChange.from_bytes(record.value))
    for record in shop.log.read(topics.events(PROJECT), 0, 0, 1000):
        joiner.process(0, record.offset, Event.from_bytes(record.value))
    examples = [each for place, event in enumerate(events) for each in joiner.process(0, 1000 + place, event)]
    examples += joiner.advance(int(shop.now_s * 1000) + 10**7)
    return [Example.from_bytes(example.to_bytes()) for example in examples]


def test_examples_score_in_training_as_their_items_did_in_serving(shop: Any, trained: TrainingState) -> None:
    serve(shop, trained)
    context = {"device": "tv"}
    shop.now_s += 0.25
    reply = shop.recommend("user-3", candidates=ITEMS, context=context, k=len(ITEMS))
    assert len(reply.items) == len(ITEMS) and reply.degraded is None
    served = {item.item_id: item.score for item in reply.items}
    shown = tuple(ShownItem(item.item_id, place) for place, item in enumerate(reply.items))
    # The impression reaches the log a little later, and the click later still: features are as of the request all the same.
    at_ms = int(shop.now_s * 1000) + 700
    impression = Event(
        "i", "impression", EventRole.IMPRESSION, "user-3", None, at_ms, at_ms, "r", shown, context, reply.features
    )
    click = Event("c", "click", EventRole.ACTION, "user-3", ITEMS[2], at_ms + 90_000, at_ms + 90_000, "r")
    examples = joined(shop, impression, Event.from_bytes(click.to_bytes()))
    assert {example.item_id: example.labels["click"] for example in examples} == {
        item_id: float(item_id == ITEMS[2]) for item_id in ITEMS
    }
    encoder = trained.encoder
    batch = encoder.encode(columns_from_examples(examples, encoder.sources()), len(examples))
    scores = Predictor(DEFINITION, trained.store, trained.architecture).scores(batch)
    learned = {example.item_id: float(score) for example, score in zip(examples, scores, strict=True)}
    assert learned == pytest.approx(served, rel=1e-5)
    assert len(set(served.values())) == len(ITEMS)
