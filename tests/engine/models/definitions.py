"""A small definition for every architecture, each slot and dense input of which it can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.spec.architecture import ARCHITECTURES, kinds_of_retrieval
from engine.spec.definition import ModelDefinition

DIM = 8
KINDS = tuple(ARCHITECTURES)
SETTINGS: dict[str, dict[str, Any]] = {
    "two_tower": {"hidden": [8], "output_dim": 8},
    "matrix_factorisation": {"output_dim": DIM},
    "sasrec": {"output_dim": 8, "num_blocks": 1},
    "deepfm": {"hidden": [8]},
    "wide_deep": {"hidden": [8], "wide_slots": ["topic", "device"]},
    "dcn_v2": {"hidden": [8], "rank": 3, "num_experts": 2},
    "xdeepfm": {"hidden": [8], "cin": [4, 3]},
    "autoint": {"hidden": [8], "num_layers": 1, "head_dim": 3},
    "din": {"hidden": [8], "attention_hidden": [6]},
    "dlrm": {"hidden": [8], "bottom_hidden": [6]},
    "mmoe": {"hidden": [8], "num_experts": 3, "tower_hidden": [8]},
    "ple": {"hidden": [8], "tower_hidden": [8], "num_shared_experts": 1, "num_task_experts": 1},
}
CLICK = {"name": "click", "event_type": "click"}


def definition_of(
    kind: str,
    *,
    tasks: Sequence[dict[str, Any]] = (CLICK,),
    training: dict[str, Any] | None = None,
    **architecture: Any,
) -> ModelDefinition:
    """Ids, a history over the items' rows, a topic of the item, a device of the event; a number of the item and one of the user."""
    settings = {"kind": kind, **SETTINGS.get(kind, {}), **architecture}
    slots = [
        {"name": "user_id", "number": 1, "source": "user.id", "dim": DIM},
        {"name": "item_id", "number": 2, "source": "item.id", "dim": DIM},
        {"name": "history", "number": 3, "source": "user.history", "shares": "item_id", "dim": DIM, "max_values": 4},
        {"name": "topic", "number": 4, "source": "item.topic", "dim": DIM},
        {"name": "device", "number": 5, "source": "event.device", "dim": DIM},
    ]
    if kind in ("din", "sasrec"):
        slots[2]["pooling"] = "sequence"
    for slot in slots:
        if kind == "logistic_regression" or slot["name"] in settings.get("wide_slots", ()):
            slot["dim"] = len(tasks)
    return ModelDefinition.parse(
        {
            "slots": slots,
            "dense": [
                {"name": "price", "source": "item.price", "transform": "log1p"},
                {"name": "age", "source": "user.age", "transform": "log1p"},
            ],
            "tasks": list(tasks),
            "architecture": settings,
            "sparse_optimizer": {"kind": "adagrad", "learning_rate": 0.2},
            "dense_optimizer": {"kind": "adam", "learning_rate": 0.01},
            "training": {"batch_size": 64, "linger_s": 0.0, **(training or {})},
        }
    )


def is_retrieval_kind(kind: str) -> bool:
    return kind in kinds_of_retrieval()
