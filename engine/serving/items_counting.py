"""For how many items of the catalogue an expression holds: for people who write one, and see as they type what it would leave."""

from __future__ import annotations

import numpy as np

from engine.errors import InvalidDocument
from engine.retrieval.filters.frame import RequestValues
from engine.retrieval.source import Mask
from engine.serving.expressions import compiled
from engine.serving.project_state import ProjectState
from engine.serving.requests import Count, CountReply, CountRequest
from engine.spec.schema import Schema


def items_counted(asked: CountRequest, state: ProjectState, schema: Schema, now_ms: int) -> CountReply:
    """Of the items that may be answered at all. An expression that cannot be evaluated says why and does not keep the others from it."""
    catalogue = state.catalogue
    values = RequestValues(
        user_id=asked.user_id,
        user=catalogue.user_properties(asked.user_id),
        context=asked.context,
        parameters=asked.parameters,
        now_ms=now_ms,
    )
    servable: Mask = catalogue.servable[: catalogue.num_rows].copy()
    counts = []
    for field, text in asked.expressions:
        try:
            held = compiled(text, schema, field).mask(catalogue, None, values)
        except InvalidDocument as error:
            counts.append(Count(None, tuple(error.problems)))
            continue
        # Rows that came into being since are of a newer catalogue than this count's.
        num = min(held.size, servable.size)
        counts.append(Count(int(np.count_nonzero(held[:num] & servable[:num]))))
    return CountReply(int(np.count_nonzero(servable)), tuple(counts))
