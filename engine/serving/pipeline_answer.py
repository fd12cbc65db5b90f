"""From the places of an answer to what is told and what is logged of each item. No other stage makes Python objects by item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from engine.ranking.reranking.pool import Reranked
from engine.retrieval.catalogue import Catalogue, Properties
from engine.retrieval.item_rows import Rows
from engine.serving.gathered import Gathered
from engine.serving.pipeline_question import Question
from engine.serving.requests import ScoredItem


def scored_items(
    catalogue: Catalogue, candidates: Gathered, reranked: Reranked, fields: Sequence[str]
) -> list[ScoredItem]:
    """The items of the answer, best first."""
    order = reranked.order
    rows = candidates.rows[order]
    names = candidates.names
    sources = [names[code] for code in candidates.codes[order].tolist()]
    return list(
        map(
            ScoredItem,
            catalogue.ids_of(rows),
            reranked.scores.tolist(),
            sources,
            reranked.propensities.tolist(),
            _chosen(catalogue, rows, fields),
            reranked.promotions,
        )
    )


def features_json(catalogue: Catalogue, question: Question, rows: Rows) -> bytes:
    """What is logged with the impression of the items in `rows`: the features that the answer was made from, as `Event.features`."""
    asker = question.asker
    item_ids, properties = catalogue.ids_of(rows), catalogue.properties_of_rows(rows)
    features: dict[str, Any] = {
        "user": asker.properties,
        "history": asker.history,
        "history_types": asker.history_types,
        "history_times_ms": asker.history_times_ms,
        "time_ms": asker.time_ms,
        "items": dict(zip(item_ids, properties, strict=True)),
    }
    if question.counters:
        features["counters"] = question.counters.to_log(item_ids, properties)
    return orjson.dumps(features)


def _chosen(catalogue: Catalogue, rows: Rows, fields: Sequence[str]) -> Sequence[Properties | None]:
    if not fields:
        return [None] * rows.size
    return [{name: each.get(name) for name in fields} for each in catalogue.properties_of_rows(rows)]
