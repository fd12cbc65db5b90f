"""A schema and a definition with every kind of feature, and examples whose values are present, missing and malformed."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.spec.definition import ModelDefinition
from engine.spec.example import Cause, Example, Origin
from engine.spec.schema import Schema

DAY_MS = 86_400_000
NOW_MS = 20_000 * DAY_MS

SCHEMA = Schema.parse(
    {
        "users": {"country": {"type": "string"}, "age": {"type": "integer"}, "joined": {"type": "timestamp"}},
        "items": {
            "topics": {"type": "string_list"},
            "title": {"type": "string"},
            "price": {"type": "float"},
            "published": {"type": "timestamp"},
            "embedding": {"type": "vector", "dim": 3},
        },
        "events": {
            "impression": {"role": "impression", "properties": {"device": {"type": "string"}}},
            "click": {"role": "action", "properties": {"device": {"type": "string"}}},
        },
        "counters": {
            "clicks": {"keys": ["item.id"], "event_types": ["click"], "windows_s": [600]},
            "views": {"keys": ["item.id"], "event_types": ["impression"], "windows_s": [600]},
        },
    }
)

FEATURES: list[dict[str, Any]] = [
    {"kind": "cross", "name": "country_topic", "sources": ["user.country", "item.topics"]},
    {"kind": "cross", "name": "device_country", "sources": ["event.device", "user.country"]},
    {"kind": "cross", "name": "item_user", "sources": ["item.id", "user.id"]},
    {"kind": "bucket", "name": "price_range", "source": "item.price", "boundaries": [1, 5, 10]},
    {"kind": "text", "name": "title_words", "source": "item.title", "sizes": [1, 2]},
    {"kind": "text", "name": "title_letters", "source": "item.title", "unit": "characters", "sizes": [3]},
    {"kind": "time", "name": "hour", "part": "hour_of_week"},
    {"kind": "time", "name": "item_age", "source": "item.published", "part": "age_log_s"},
    {"kind": "time", "name": "membership", "source": "user.joined", "part": "age_log_s"},
    {"kind": "bucket", "name": "age_range", "source": "feature.item_age", "boundaries": [5, 10]},
    {
        "kind": "ratio",
        "name": "ctr",
        "numerator": "counter.clicks_10m",
        "denominator": "counter.views_10m",
        "prior": 0.1,
    },
    {"kind": "cross", "name": "hour_topic", "sources": ["feature.hour", "item.topics"]},
]

SLOTS: list[tuple[str, str, dict[str, Any]]] = [
    ("user_id", "user.id", {}),
    ("item_id", "item.id", {}),
    ("history", "user.history", {"shares": "item_id", "pooling": "sequence", "max_values": 4}),
    ("history_types", "user.history_types", {"pooling": "sequence", "max_values": 4}),
    ("history_ages", "user.history_ages_s", {"pooling": "sequence", "max_values": 4}),
    ("country", "user.country", {}),
    ("topics", "item.topics", {"pooling": "sqrtn"}),
    ("first_topic", "item.topics", {"pooling": "first"}),
    ("device", "event.device", {}),
    ("country_topic", "feature.country_topic", {"pooling": "sum"}),
    ("device_country", "feature.device_country", {}),
    ("item_user", "feature.item_user", {}),
    ("price_range", "feature.price_range", {}),
    ("title_words", "feature.title_words", {}),
    ("title_letters", "feature.title_letters", {"max_values": 5}),
    ("hour", "feature.hour", {}),
    ("age_range", "feature.age_range", {}),
    ("hour_topic", "feature.hour_topic", {}),
]

DENSE: list[dict[str, Any]] = [
    {"name": "age", "source": "user.age", "transform": "standardise"},
    {"name": "price", "source": "item.price", "transform": "log1p"},
    {"name": "embedding", "source": "item.embedding", "dim": 3, "transform": "standardise"},
    {"name": "item_age", "source": "feature.item_age"},
    {"name": "membership", "source": "feature.membership"},
    {"name": "clicks", "source": "counter.clicks_10m", "transform": "log1p_standardise"},
    {"name": "ctr", "source": "feature.ctr"},
]


def definition(**more: Any) -> ModelDefinition:
    """A ranking model with an input of every kind."""
    slots = [
        {"name": name, "number": number, "source": source, "dim": 4, **settings}
        for number, (name, source, settings) in enumerate(SLOTS, start=1)
    ]
    document = {"features": FEATURES, "slots": slots, "dense": DENSE, "architecture": {"kind": "deepfm", "hidden": [8]}}
    return ModelDefinition.parse(document | more)


def examples(num: int, seed: int = 0, *, origin: Origin = Origin.IMPRESSION) -> list[Example]:
    """Users and items with half of everything missing now and then, histories of 0 to 6 items."""
    rng = np.random.default_rng(seed)
    return [_example(rng, number, origin) for number in range(num)]


def _example(rng: np.random.Generator, number: int, origin: Origin) -> Example:
    time_ms = NOW_MS + 1000 * number
    length = int(rng.integers(7))
    ages_ms = np.sort(rng.integers(0, 3 * DAY_MS, length))[::-1]
    user = {"country": _pick(rng, ["de", "br", ""]), "age": int(rng.integers(90)), "joined": time_ms - 9 * DAY_MS}
    item = {
        "topics": [str(topic) for topic in rng.choice(["film", "music", "sport", ""], int(rng.integers(4)))],
        "title": _pick(rng, ["Der Film, 2. Teil", "Été à Rio", "", "!!"]),
        "price": float(rng.integers(20)) / 2,
        "published": time_ms - int(rng.integers(-1000, 40 * DAY_MS)),
        "embedding": [float(value) for value in rng.normal(size=3)],
    }
    return Example(
        example_id=f"example-{number}",
        user_id=f"user-{rng.integers(9)}",
        item_id=f"item-{rng.integers(9)}",
        event_time_ms=time_ms + int(rng.integers(5000)),
        origin=origin,
        labels={"click": float(rng.random() < 0.5)},
        cause=Cause(0, number, time_ms),
        user=_thinned(rng, user),
        item=_thinned(rng, item),
        event=_thinned(rng, {"device": _pick(rng, ["tv", "phone"])}),
        history=tuple(f"item-{each}" for each in rng.permutation(9)[:length]),
        counters={"clicks_10m": float(rng.integers(5)), "views_10m": float(5 + rng.integers(50))},
        history_types=tuple(_pick(rng, ["click", "purchase"]) for _ in range(length)),
        history_times_ms=tuple(int(time_ms - age) for age in ages_ms),
        request_time_ms=time_ms,
    )


def _pick(rng: np.random.Generator, values: list[str]) -> str:
    return values[int(rng.integers(len(values)))]


def _thinned(rng: np.random.Generator, properties: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if rng.random() < 0.8}
