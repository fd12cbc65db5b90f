"""The definition that each kind of architecture is measured with where nobody gives one."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine.spec.architecture import kinds_of_retrieval
from engine.spec.definition import ModelDefinition

MAX_HISTORY: Final = 100
MAX_SEQUENCE: Final = 50
"""Attention costs the square of it."""

DIM: Final = 64

_PAST_AND_ITEM: Final = {"kind": "cross", "name": "past_and_item", "sources": ["user.history", "item.id"]}


def default_definition(kind: str, num_clicks: int, seed: int) -> ModelDefinition:
    """A definition of `kind` over the user, its history, and the item. The size of a batch grows with the number of clicks.

    A logistic_regression and a wide_deep, whose weights of single ids say nothing of a user's taste, have one for each past item
    beside the item too.
    """
    batch_size = int(np.clip(2 ** round(np.log2(max(num_clicks / 100, 1))), 256, 2048))
    dim = 1 if kind == "logistic_regression" else DIM
    history = {"name": "history", "number": 3, "source": "user.history", "dim": dim, "shares": "item"}
    is_sequence = kind in ("sasrec", "din")
    history |= {"max_values": MAX_SEQUENCE, "pooling": "sequence"} if is_sequence else {"max_values": MAX_HISTORY}
    document: dict[str, Any] = {
        "slots": [
            {"name": "item", "number": 1, "source": "item.id", "dim": dim},
            {"name": "user", "number": 2, "source": "user.id", "dim": dim},
            history,
        ],
        "architecture": {"kind": kind} | _settings(kind),
        "training": {"batch_size": batch_size, "seed": seed},
    }
    if kind in ("logistic_regression", "wide_deep"):
        document["features"] = [_PAST_AND_ITEM]
        crossed = {"name": "past_and_item", "number": 4, "source": "feature.past_and_item", "dim": 1}
        document["slots"].append(crossed | {"max_values": MAX_HISTORY, "pooling": "sum"})
    return ModelDefinition.parse(document)


def _settings(kind: str) -> dict[str, Any]:
    if kind in kinds_of_retrieval():
        return {"output_dim": DIM} | ({"hidden": []} if kind == "two_tower" else {})
    own: dict[str, dict[str, Any]] = {"din": {"target_slot": "item"}, "wide_deep": {"wide_slots": ["past_and_item"]}}
    return own.get(kind, {})
