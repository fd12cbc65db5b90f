from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import orjson
import pyarrow as pa
import pytest

from engine.embedding.hashing import hash_ids
from engine.embedding.store import EmbeddingStore
from engine.models.architecture import Weights
from engine.models.registry import build_architecture
from engine.serving.deployment import DeploymentSpec, ModelRef
from engine.serving.replica import Replica
from engine.serving.requests import RecommendReply, RecommendRequest
from engine.spec.definition import DeepFM, DenseInput, ModelDefinition, Slot, TwoTower
from engine.spec.deployment import DeploymentDocument
from engine.spec.event import CatalogChange, Event
from engine.spec.schema import EventRole, EventType, Property, PropertyType, Schema
from engine.streams import topics
from engine.streams.log import Record
from engine.streams.memory import MemoryLog
from engine.sync.delta import TrainedThrough
from engine.sync.publisher import Publisher

PROJECT = "shop"
SCHEMA = Schema(
    users={"country": Property(type=PropertyType.STRING)},
    items={"kind": Property(type=PropertyType.STRING), "price": Property(type=PropertyType.FLOAT)},
    events={"click": EventType(), "impression": EventType(role=EventRole.IMPRESSION)},
    history_length=3,
)
# With towers of one linear layer a test can say which way each vector points.
RETRIEVAL = ModelDefinition(
    slots=[
        Slot(name="user", number=1, source="user.id", dim=2),
        Slot(name="item", number=2, source="item.id", dim=2),
        Slot(name="kind", number=3, source="item.kind", dim=2),
    ],
    architecture=TwoTower(hidden=[], output_dim=2),
)
RANKING = ModelDefinition(
    slots=[
        Slot(name="user", number=1, source="user.id", dim=4),
        Slot(name="country", number=2, source="user.country", dim=4),
        Slot(name="history", number=3, source="user.history", dim=4, shares="item"),
        Slot(name="item", number=4, source="item.id", dim=4),
    ],
    dense=[DenseInput(name="price", source="item.price"), DenseInput(name="hour", source="event.hour")],
    architecture=DeepFM(hidden=[8]),
)


@dataclass
class Model:
    """A model version as its trainer would keep and publish it, with its parameters set by hand."""

    ref: ModelRef
    store: EmbeddingStore
    publisher: Publisher
    weights: Weights

    def set_row(self, slot_name: str, sparse_id: str, vector: list[float]) -> None:
        definition = self.ref.definition
        slot = next(slot for slot in definition.slots if slot.name == slot_name)
        number = definition.number_of(slot)
        fids = hash_ids(pa.array([sparse_id]), number)
        self.store.table_of(slot).assign(fids, np.array([number], np.uint16), np.array([vector], np.float32))

    def publish(self, events_through: int = 0, *, dense: bool = False) -> None:
        through = TrainedThrough(events={0: events_through}, event_time_ms=1000 * events_through)
        self.publisher.publish_rows(through)
        if dense:
            self.publisher.publish_dense(self.weights, through)


@dataclass
class Shop:
    """A project with a log, a clock and a replica; nothing moves unless the test says so."""

    directory: Path
    log: MemoryLog = field(default_factory=MemoryLog)
    now_s: float = 1000.0
    num_events: int = 0

    def __post_init__(self) -> None:
        for topic in (topics.events(PROJECT), topics.catalog(PROJECT), topics.examples(PROJECT)):
            self.log.create_topic(topic)
        self.replica = Replica(self.log, self.directory, name="r-1", clock=lambda: self.now_s)

    def write(self, *item_ids: str, **properties: Any) -> None:
        for item_id in item_ids:
            self._change(CatalogChange("item", item_id, properties, updated_ms=self._tick()))

    def write_user(self, user_id: str, **properties: Any) -> None:
        self._change(CatalogChange("user", user_id, properties, updated_ms=self._tick()))

    def hide(self, item_id: str, **properties: Any) -> None:
        self._change(CatalogChange("item", item_id, properties, hidden=True, updated_ms=self._tick()))

    def delete(self, item_id: str) -> None:
        self._change(CatalogChange("item", item_id, deleted=True, updated_ms=self._tick()))

    def click(self, user_id: str, item_id: str, role: EventRole = EventRole.ACTION) -> None:
        at_ms = self._tick()
        event = Event(f"e{at_ms}", "click", role, user_id, item_id, at_ms, at_ms)
        self.log.append(topics.events(PROJECT), [Record(user_id, event.to_bytes(), at_ms)])
        self.num_events += 1

    def model(self, name: str, definition: ModelDefinition, version: int = 1) -> Model:
        store = EmbeddingStore.for_definition(definition)
        publisher = Publisher(
            self.log,
            topics.params(PROJECT, name, version),
            project=PROJECT,
            model=name,
            version=version,
            store=store,
            clock_ms=lambda: int(self.now_s * 1000),
        )
        weights = build_architecture(definition).dense_weights()
        return Model(ModelRef(name, version, definition), store, publisher, weights)

    def retrieval_model(self, name: str = "near", version: int = 1) -> Model:
        """Vectors are the embeddings themselves (an item's: of its id plus of its kind), made unit length."""
        model = self.model(name, RETRIEVAL, version)
        eye = np.eye(2, dtype=np.float32)
        model.weights["user_output/kernel"] = eye
        model.weights["item_output/kernel"] = np.concatenate([eye, eye])
        return model

    def deploy(
        self,
        retrieval: Model | None = None,
        ranking: Model | None = None,
        name: str = "main",
        document: dict[str, Any] | None = None,
        revision: int = 0,
    ) -> None:
        self.replica.deploy(
            DeploymentSpec(
                PROJECT,
                name,
                SCHEMA,
                retrieval.ref if retrieval else None,
                ranking.ref if ranking else None,
                DeploymentDocument.parse(document or {}),
                revision,
            )
        )

    def poll(self) -> None:
        while self.replica.poll():
            continue

    def recommend(self, user_id: str = "u", **fields: Any) -> RecommendReply:
        return self.replica.recommend(RecommendRequest(PROJECT, "main", user_id, **fields))

    def items(self, user_id: str = "u", **fields: Any) -> list[str]:
        return [item.item_id for item in self.recommend(user_id, **fields).items]

    def explained(self, user_id: str = "u", **fields: Any) -> Any:
        return orjson.loads(self.recommend(user_id, explain=True, **fields).explanation_json)

    def _change(self, change: CatalogChange) -> None:
        record = Record(f"{change.kind}:{change.id}", change.to_bytes(), change.updated_ms)
        self.log.append(topics.catalog(PROJECT), [record])

    def _tick(self) -> int:
        self.now_s += 1.0
        return int(self.now_s * 1000)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
def pointing() -> Callable[[float], list[float]]:
    """A unit vector at an angle in degrees."""
    return lambda degrees: [float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))]


@pytest.fixture
def ranking(shop: Shop) -> Model:
    """A deepfm that has learned random rows for the user `u`, country `de` and the items i0 to i4; not deployed."""
    model = shop.model("order", RANKING)
    generator = np.random.default_rng(7)
    for slot, sparse_id in (("user", "u"), ("country", "de"), *(("item", f"i{number}") for number in range(5))):
        model.set_row(slot, sparse_id, generator.normal(size=4).tolist())
    model.publish(events_through=9, dense=True)
    return model


@pytest.fixture
def retrieving(shop: Shop, pointing: Callable[[float], list[float]]) -> Iterator[Model]:
    """A shop of five items at 0, 20, 40, 60 and 80 degrees and the user `u` at 0, retrieved by a two_tower."""
    model = shop.retrieval_model()
    for number in range(5):
        shop.write(f"i{number}")
        model.set_row("item", f"i{number}", pointing(20 * number))
    model.set_row("user", "u", pointing(0))
    model.publish(events_through=1, dense=True)
    shop.deploy(model)
    yield model
