"""The project that `make bench-recommend` asks: 100,000 items, users with 50 actions each, a two_tower and a deepfm of 26 slots."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from webapp.catalog.services import PutReport

SLUG = "bench"
DEPLOYMENT = "main"
RETRIEVER = "retriever"
RANKER = "ranker"
HISTORY = 50
NUM_CANDIDATES = 300
MAX_PRICE = 50.0
FILTER = "item.price < $max_price and item.in_stock"

USER_TRAITS = {"country": 40, "age_band": 8, "gender": 3, "city": 400, "segment": 60, "language": 20}
CONTEXT = {"device": 5, "os": 6, "page": 12, "referrer": 30, "daypart": 6}
ITEM_TRAITS = {
    "topic": 200,
    "brand": 2_000,
    "seller": 1_000,
    "color": 24,
    "size": 12,
    "category": 300,
    "style": 40,
    "season": 5,
    "origin": 60,
    "quality": 6,
    "price_band": 10,
}
NUM_TAGS = 500
ROWS_PER_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Size:
    num_items: int
    num_users: int


FULL = Size(100_000, 2_000)
QUICK = Size(20_000, 500)


def item_id(number: int) -> str:
    return f"item-{number:06d}"


def user_id(number: int) -> str:
    return f"user-{number:05d}"


def schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "users": dict.fromkeys(USER_TRAITS, text),
        "items": {
            **dict.fromkeys(ITEM_TRAITS, text),
            "tags": {"type": "string_list"},
            "price": {"type": "float"},
            "in_stock": {"type": "boolean"},
        },
        "events": {
            "impression": {"role": "impression", "properties": dict.fromkeys(CONTEXT, text)},
            "click": {"role": "action", "properties": dict.fromkeys(CONTEXT, text)},
        },
        "history_length": HISTORY,
    }


def retriever() -> dict[str, Any]:
    sources = ["user.id", "user.history", "user.country", "item.id", "item.topic", "item.brand"]
    return {"slots": _slots(sources), "architecture": {"kind": "two_tower", "hidden": [64], "output_dim": 32}}


def ranker() -> dict[str, Any]:
    """13 slots of the user's side, 13 of the item's, dim 16."""
    sources = ["user.id", "user.history", *(f"user.{name}" for name in USER_TRAITS)]
    sources += [f"event.{name}" for name in CONTEXT]
    sources += ["item.id", "item.tags", *(f"item.{name}" for name in ITEM_TRAITS)]
    assert len(sources) == 26
    return {
        "slots": _slots(sources),
        "dense": [{"name": "price", "source": "item.price", "transform": "log1p"}],
        "architecture": {"kind": "deepfm", "hidden": [256, 128, 64]},
    }


def _slots(sources: list[str]) -> list[dict[str, Any]]:
    slots = []
    for number, source in enumerate(sources, start=1):
        slot: dict[str, Any] = {"name": source.replace(".", "_"), "number": number, "source": source, "dim": 16}
        if source == "user.history":
            slot |= {"shares": "item_id", "max_values": HISTORY}
        slots.append(slot)
    return slots


def document() -> dict[str, Any]:
    """Sources whose quotas make the candidates, and a filter that about half of the items pass."""
    return {
        "retrieval": {
            "sources": [
                {"kind": "nearest", "quota": 250},
                {"kind": "item_to_item", "quota": 60},
                {"kind": "trending_24h", "quota": 40},
                {"kind": "latest", "quota": 20},
            ],
            "max_candidates": NUM_CANDIDATES,
        },
        "filter": FILTER,
        "parameters": {"max_price": MAX_PRICE},
        "timeout_ms": 5_000,
    }


def items(size: Size, seed: int = 5) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(seed)
    traits = {name: random.integers(most, size=size.num_items) for name, most in ITEM_TRAITS.items()}
    prices = random.uniform(1.0, 90.0, size.num_items).round(2)
    in_stock = random.random(size.num_items) < 0.9
    tags = random.integers(NUM_TAGS, size=(size.num_items, 3))
    for number in range(size.num_items):
        properties: dict[str, Any] = {name: f"{name}-{values[number]}" for name, values in traits.items()}
        properties |= {"price": float(prices[number]), "in_stock": bool(in_stock[number])}
        properties["tags"] = [f"tag-{tag}" for tag in np.unique(tags[number]).tolist()]
        yield {"id": item_id(number), "properties": properties}


def users(size: Size, seed: int = 6) -> Iterator[dict[str, Any]]:
    random = np.random.default_rng(seed)
    for number in range(size.num_users):
        properties = {name: f"{name}-{random.integers(most)}" for name, most in USER_TRAITS.items()}
        yield {"id": user_id(number), "properties": properties}


def events(size: Size, now_ms: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """`HISTORY` clicks of every user, on items by popularity, the last of them now."""
    random = np.random.default_rng(seed)
    num = size.num_users * HISTORY
    chosen = popular(random, size.num_items, num)
    for number in range(num):
        yield {
            "event_id": f"history-{number}",
            "type": "click",
            "user_id": user_id(number % size.num_users),
            "item_id": item_id(int(chosen[number])),
            "timestamp": now_ms - 10 * (num - number),
        }


def popular(random: np.random.Generator, num_items: int, num: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """int64[num], numbers of items by a law of Zipf (1.05), so scattered that popular ones are no neighbours."""
    weights = np.arange(1, num_items + 1, dtype=np.float64) ** -1.05
    ranks = np.searchsorted(np.cumsum(weights) / weights.sum(), random.random(num))
    return ranks * 7919 % num_items


def context(random: np.random.Generator) -> dict[str, str]:
    return {name: f"{name}-{random.integers(most)}" for name, most in CONTEXT.items()}


def make(size: Size) -> tuple[str, int, int]:
    """Fill the running system's database. Answers a key's secret and the versions of retriever and ranker."""
    from webapp.accounts.services import api_key_create, project_create
    from webapp.catalog.services import events_ingest, items_put, users_put
    from webapp.registry.services import model_publish, schema_publish

    project = project_create(slug=SLUG, name="Bench")
    schema_publish(project=project, document=schema())
    for rows in _batches(items(size)):
        _check(items_put(project=project, rows=rows))
    for rows in _batches(users(size)):
        _check(users_put(project=project, rows=rows))
    for rows in _batches(events(size, int(time.time() * 1000))):
        report = events_ingest(project=project, rows=rows, source="bench")
        assert report.num_accepted == len(rows), report.results[:1]
    versions = [
        model_publish(project=project, name=name, document=definition).version
        for name, definition in ((RETRIEVER, retriever()), (RANKER, ranker()))
    ]
    _, secret = api_key_create(project=project, name="bench", scopes=["recommend", "manage"])
    return secret, versions[0], versions[1]


def _check(report: PutReport) -> None:
    assert not report.num_rejected, [result for result in report.results if result.status == "rejected"][:1]


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(itertools.islice(rows, ROWS_PER_BATCH)):
        yield batch
