"""The items of a reply as columns: hundreds of messages take longer to make and to read than the ranking of their items."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

import orjson

from engine.serving.requests import ScoredItem
from engine.serving.wire import replica_pb2 as wire


def items_to_wire(items: Sequence[ScoredItem]) -> wire.ScoredItems:
    if not items:
        return wire.ScoredItems()
    item_ids, scores, sources, propensities, properties, promotions = zip(*items, strict=True)
    number_of = {name: number for number, name in enumerate(dict.fromkeys(sources))}
    return wire.ScoredItems(
        item_ids=item_ids,
        scores=scores,
        source_numbers=[number_of[name] for name in sources],
        sources=number_of,
        propensities=() if all(chance == 1.0 for chance in propensities) else propensities,
        properties_json=() if all(each is None for each in properties) else [orjson.dumps(each) for each in properties],
        promotions={place: name for place, name in enumerate(promotions) if name is not None},
    )


def items_from_wire(message: wire.ScoredItems) -> list[ScoredItem]:
    names, promotions = list(message.sources), message.promotions
    return list(
        map(
            ScoredItem,
            message.item_ids,
            message.scores,
            [names[number] for number in message.source_numbers],
            message.propensities or repeat(1.0),
            [orjson.loads(each) for each in message.properties_json] or repeat(None),
            [promotions.get(place) for place in range(len(message.item_ids))] if promotions else repeat(None),
        )
    )
