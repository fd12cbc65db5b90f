"""The engine from an example to a changed answer: trainer, log, replica, all real and in one process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from engine.serving.deployment import DeploymentSpec, ModelRef
from engine.serving.replica import Replica
from engine.spec.definition import (
    Architecture,
    DeepFM,
    DenseAdam,
    ModelDefinition,
    Slot,
    SparseAdagrad,
    Sync,
    Training,
    TwoTower,
)
from engine.spec.example import Cause, Example, Origin
from engine.spec.retrieval import MatrixFactorisation, SASRec
from engine.spec.schema import EventType, Schema
from engine.spec.slot import Pooling
from engine.streams import topics
from engine.streams.log import Record
from engine.training.online import OnlineTrainer

TASTES = ("jazz", "rock")
NUM_ITEMS = 20
SCHEMA = Schema(events={"click": EventType()}, history_length=10)


def definition(architecture: Architecture) -> ModelDefinition:
    pooling = Pooling.SEQUENCE if architecture.kind == "sasrec" else Pooling.MEAN
    return ModelDefinition(
        slots=[
            Slot(name="user", number=1, source="user.id", dim=8),
            Slot(name="item", number=2, source="item.id", dim=8),
            Slot(name="history", number=3, source="user.history", dim=8, shares="item", pooling=pooling),
        ],
        architecture=architecture,
        sparse_optimizer=SparseAdagrad(learning_rate=0.2),
        dense_optimizer=DenseAdam(learning_rate=0.01),
        training=Training(batch_size=128, linger_s=0.0),
        sync=Sync(dense_interval_s=1.0),
    )


class Town:
    """Users who like jazz or rock and click on nothing else; what they click is joined by hand."""

    def __init__(self, shop: Any) -> None:
        self.shop = shop
        self.generator = np.random.default_rng(3)
        self.histories: dict[str, list[str]] = {}
        self.num_examples = 0
        shop.write(*(f"{taste}{number}" for taste in TASTES for number in range(NUM_ITEMS)))

    def click(self, user_id: str, item_ids: Sequence[str]) -> None:
        for item_id in item_ids:
            self.shop.click(user_id, item_id)
            at_ms = int(self.shop.now_s * 1000)
            history = self.histories.setdefault(user_id, [])
            self.num_examples += 1
            example = Example(
                example_id=str(self.num_examples),
                user_id=user_id,
                item_id=item_id,
                event_time_ms=at_ms,
                origin=Origin.ACTION,
                labels={"click": 1.0},
                cause=Cause(0, self.shop.num_events - 1, at_ms),
                history=tuple(history[-10:]),
            )
            history.append(item_id)
            self.shop.log.append(topics.examples("shop"), [Record(user_id, example.to_bytes(), at_ms)])

    def live(self, num_clicks: int) -> None:
        for _ in range(num_clicks):
            number = int(self.generator.integers(0, 40))
            taste = TASTES[number % 2]
            self.click(f"{taste}-lover{number}", [f"{taste}{self.generator.integers(0, NUM_ITEMS)}"])


def learn(shop: Any, trainers: Sequence[OnlineTrainer]) -> None:
    """Until every example there is has been learned and published."""
    for trainer in trainers:
        while trainer.poll(timeout_s=0.0).num_examples:
            shop.now_s += 1.0
        shop.now_s += 2.0
        trainer.poll(timeout_s=0.0)
    shop.poll()


RETRIEVAL: dict[str, Architecture] = {
    "two_tower": TwoTower(hidden=[], output_dim=8, temperature=0.2),
    "matrix_factorisation": MatrixFactorisation(output_dim=8, temperature=0.2),
    "sasrec": SASRec(output_dim=8, temperature=0.2, num_blocks=1),
}


@pytest.mark.parametrize(("kind", "with_ranking"), [*((kind, False) for kind in RETRIEVAL), ("two_tower", True)])
def test_answers_follow_what_a_user_clicks_within_one_round(shop: Any, kind: str, with_ranking: bool) -> None:
    town = Town(shop)
    definitions = {"retrieval": definition(RETRIEVAL[kind])}
    if with_ranking:
        definitions["ranking"] = definition(DeepFM(hidden=[8]))
    refs = {role: ModelRef(role, 1, each) for role, each in definitions.items()}
    trainers = [
        OnlineTrainer(
            each, shop.log, "shop", role, 1, shop.directory / "models" / "shop" / role / "v1", clock=lambda: shop.now_s
        )
        for role, each in definitions.items()
    ]
    shop.replica.deploy(DeploymentSpec("shop", "main", SCHEMA, refs["retrieval"], refs.get("ranking")))
    town.live(4000)
    learn(shop, trainers)

    before = shop.recommend("newcomer", k=10)
    town.click("newcomer", ["jazz1", "jazz2", "jazz3"])
    learn(shop, trainers)
    after = shop.recommend("newcomer", k=10)

    assert [item.item_id for item in after.items] != [item.item_id for item in before.items]
    assert sum(item.item_id.startswith("jazz") for item in after.items) >= 9
    assert not {"jazz1", "jazz2", "jazz3"} & {item.item_id for item in after.items}
    assert after.degraded is None
    assert [model.role for model in after.models] == list(refs)
    assert all(model.events_through == {0: shop.num_events} for model in after.models)

    town.click("convert", [f"rock{number}" for number in range(4)])
    learn(shop, trainers)
    assert sum(item.item_id.startswith("rock") for item in shop.recommend("convert", k=10).items) >= 9

    # A replica that starts now, from the log and the snapshots alone, answers the same.
    for trainer in trainers:
        trainer.close()
    shop.poll()
    again = Replica(shop.log, shop.directory, clock=lambda: shop.now_s)
    shop.replica, first = again, shop.replica
    again.deploy(first.deployments()[0])
    for fresh, old in zip(again.status().deployments[0].models, first.status().deployments[0].models, strict=True):
        assert (fresh.digest, fresh.sequence) == (old.digest, old.sequence)
    request_items = shop.recommend("newcomer", k=10).items
    shop.replica = first
    assert request_items == shop.recommend("newcomer", k=10).items
