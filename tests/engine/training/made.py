"""Definitions, examples and a clock, made for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.embedding.options import options_of
from engine.embedding.store import EmbeddingStore
from engine.embedding.table import EmbeddingTable
from engine.spec.definition import ModelDefinition
from engine.spec.example import Cause, Example, Origin
from engine.streams import topics
from engine.streams.log import EventLog, Record
from engine.training.logged import LoggedExamples

TOPICS = ("film", "music", "sport")


class FakeClock:
    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def make_definition(kind: str, *, training: dict[str, Any] | None = None, **architecture: Any) -> ModelDefinition:
    dim = {"dim": 8}
    return ModelDefinition.parse(
        {
            "slots": [
                {"name": "user_id", "number": 1, "source": "user.id", **dim},
                {"name": "item_id", "number": 2, "source": "item.id", **dim},
                {"name": "history", "number": 3, "source": "user.history", "shares": "item_id", **dim},
                {"name": "topic", "number": 4, "source": "item.topic", **dim},
                {"name": "device", "number": 5, "source": "event.device", **dim},
            ],
            "dense": [
                {"name": "price", "source": "item.price", "transform": "log1p"},
                {"name": "age", "source": "user.age"},
            ],
            "architecture": {"kind": kind, **architecture},
            "training": {"batch_size": 64, "linger_s": 0.0, **(training or {})},
        }
    )


def with_rules(definition: ModelDefinition, rules: dict[str, dict[str, Any]], **more: Any) -> ModelDefinition:
    """The definition with more fields for some slots, by name, and for itself."""
    document = definition.as_json()
    document["slots"] = [slot | rules.get(slot["name"], {}) for slot in document["slots"]]
    return ModelDefinition.parse(document | more)


def salted(definition: ModelDefinition) -> EmbeddingStore:
    """Empty tables of which two have the same salt, so that they look for rows to expire in the same order."""
    tables = {name: EmbeddingTable(options, index_salt=5) for name, options in options_of(definition).items()}
    return EmbeddingStore(tables)


def make_example(
    number: int, user: int, item: int, *, label: float = 1.0, origin: str = "action", history: tuple[str, ...] = ()
) -> Example:
    return Example(
        example_id=f"example-{number}",
        user_id=f"user-{user}",
        item_id=f"item-{item}",
        event_time_ms=1_000 * number,
        origin=Origin(origin),
        labels={"click": label},
        cause=Cause(0, 2 * number, 1_000 * number + 7),
        user={"age": float(user)},
        item={"topic": TOPICS[item % 3], "price": 1.0 + item},
        event={"device": "phone"},
        history=history,
    )


def make_examples(num: int, *, seed: int = 0, origin: str = "action", num_items: int = 30) -> list[Example]:
    """Users 0 to 19, each with two items it likes; impressions carry a label, one in three positive."""
    rng = np.random.default_rng(seed)
    examples = []
    for number in range(num):
        user = int(rng.integers(20))
        liked = (user + int(rng.integers(2)) * 10) % num_items
        is_positive = origin == "action" or rng.random() < 1 / 3
        item = liked if is_positive else int(rng.integers(num_items))
        history = tuple(f"item-{each}" for each in rng.integers(num_items, size=3))
        examples.append(make_example(number, user, item, label=float(is_positive), origin=origin, history=history))
    return examples


def as_logged(examples: list[Example], start: int = 0) -> LoggedExamples:
    return LoggedExamples(examples, np.zeros(len(examples), np.int64), start + np.arange(len(examples)))


def append_examples(log: EventLog, project: str, examples: list[Example]) -> None:
    log.create_topic(topics.examples(project))
    records = [Record(example.user_id, example.to_bytes(), example.event_time_ms) for example in examples]
    log.append(topics.examples(project), records)
