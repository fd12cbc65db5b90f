"""`python -m tests.bench.recommend_publisher NUM_ITEMS NUM_USERS RETRIEVER_VERSION RANKER_VERSION`: plays the trainer in `bench-recommend`.

Publishes first parameters of both models (a row for every id, seeded dense weights) and says `ready`. Then, for each line `deltas S` on
standard input, it publishes for S seconds, each second a delta of 10,000 rows of the ranker and 1,000 of the retriever, and the ranker's
dense weights each fifth, and says `done`. Runs in the environment of a started system.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")

import numpy as np

from tests.bench import recommend_world as world

ROWS_PER_S = {world.RANKER: 10_000, world.RETRIEVER: 1_000}
DENSE_EVERY_S = 5
ROW_SCALE = 0.05


@dataclass
class Published:
    """One model's parameters and their publisher."""

    definition: Any
    store: Any
    publisher: Any
    weights: dict[str, Any]
    fids: dict[str, Any]
    random: np.random.Generator

    def rows(self, slot_name: str, chosen: Any | None = None) -> int:
        """Write random vectors to the rows of a slot's ids, all of them or those chosen."""
        slot = next(slot for slot in self.definition.slots if slot.name == slot_name)
        fids = self.fids[slot_name] if chosen is None else self.fids[slot_name][chosen]
        vectors = self.random.normal(0, ROW_SCALE, (len(fids), slot.dim)).astype(np.float32)
        number = np.full(len(fids), self.definition.number_of(slot), np.uint16)
        self.store.table_of(slot).assign(fids, number, vectors)
        return len(fids)

    def change(self, num_rows: int) -> None:
        """What training touches: users and items by popularity, and the values that they have in common."""
        traits = [name for name in self.fids if name not in ("user_id", "item_id", "user_history")]
        left = num_rows - sum(self.rows(name, self._some(name, 8)) for name in traits)
        num_users = self.rows("user_id", self._some("user_id", left // 2))
        self.rows("item_id", self._some("item_id", left - num_users))

    def _some(self, slot_name: str, num: int) -> Any:
        most = len(self.fids[slot_name])
        if num >= most:
            return np.arange(most)
        found = np.unique(world.popular(self.random, most, 3 * num))
        return self.random.permutation(found)[:num]


def _published(name: str, version: int, definition: dict[str, Any], size: world.Size) -> Published:
    import pyarrow as pa

    from engine.embedding.hashing import hash_ids
    from engine.embedding.store import EmbeddingStore
    from engine.models.registry import build_architecture
    from engine.spec.definition import ModelDefinition
    from engine.streams import topics
    from engine.sync.publisher import Publisher
    from webapp.core.log import event_log

    parsed = ModelDefinition.parse(definition)
    store = EmbeddingStore.for_definition(parsed)
    publisher = Publisher(
        event_log(),
        topics.params(world.SLUG, name, version),
        project=world.SLUG,
        model=name,
        version=version,
        store=store,
        clock_ms=lambda: int(time.time() * 1000),
    )
    fids = {
        slot.name: hash_ids(pa.array(_ids(slot.source, size)), parsed.number_of(slot))
        for slot in parsed.slots
        if slot.source != "user.history"
    }
    weights = build_architecture(parsed).dense_weights()
    return Published(parsed, store, publisher, dict(weights), fids, np.random.default_rng(11))


def _ids(source: str, size: world.Size) -> list[str]:
    if source == "user.id":
        return [world.user_id(number) for number in range(size.num_users)]
    if source == "item.id":
        return [world.item_id(number) for number in range(size.num_items)]
    if source == "item.tags":
        return [f"tag-{number}" for number in range(world.NUM_TAGS)]
    name = source.partition(".")[2]
    most = (world.USER_TRAITS | world.CONTEXT | world.ITEM_TRAITS)[name]
    return [f"{name}-{number}" for number in range(most)]


def main(arguments: list[str]) -> int:
    import django

    django.setup()
    from engine.sync.delta import TrainedThrough

    num_items, num_users, retriever_version, ranker_version = map(int, arguments)
    size = world.Size(num_items, num_users)
    models = {
        world.RETRIEVER: _published(world.RETRIEVER, retriever_version, world.retriever(), size),
        world.RANKER: _published(world.RANKER, ranker_version, world.ranker(), size),
    }
    step = 1
    for model in models.values():
        for slot_name in model.fids:
            model.rows(slot_name)
        through = TrainedThrough(events={0: step}, event_time_ms=int(time.time() * 1000))
        model.publisher.publish_rows(through)
        model.publisher.publish_dense(model.weights, through)
    _say("ready")
    for line in sys.stdin:
        duration_s = float(line.split()[1])
        started = time.monotonic()
        num_seconds = 0
        while (now_s := time.monotonic() - started) < duration_s:
            time.sleep(max(0.0, num_seconds - now_s))
            num_seconds, step = num_seconds + 1, step + 1
            through = TrainedThrough(events={0: step}, event_time_ms=int(time.time() * 1000))
            for name, model in models.items():
                model.change(ROWS_PER_S[name])
                model.publisher.publish_rows(through)
                if num_seconds % DENSE_EVERY_S == 0 and name == world.RANKER:
                    model.publisher.publish_dense(model.weights, through)
        _say("done")
    return 0


def _say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
