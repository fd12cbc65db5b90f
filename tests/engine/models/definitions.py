"""A small definition for every architecture, each slot and dense input of which it can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.spec.architecture import ARCHITECTURES, kinds_of_retrieval
from engine.spec.definition import ModelDefinition

DIM = 8
KINDS = tuple(ARCHITECTURES)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "din with prelu": ("din", {"activation": "prelu"}),
    "din with dice": ("din", {"activation": "dice"}),
    "two_tower by bce": ("two_tower", {"loss": "bce"}),
    "two_tower by bpr": ("two_tower", {"loss": "bpr"}),
    "matrix_factorisation by bce": ("matrix_factorisation", {"loss": "bce"}),
    "matrix_factorisation by bpr": ("matrix_factorisation", {"loss": "bpr"}),
    "sasrec by bce": ("sasrec", {"loss": "bce"}),
    "sasrec by bpr": ("sasrec", {"loss": "bpr"}),
}
"""Other choices that pass the battery as the kinds with their defaults do: the kind and its settings, by a name that stands for a kind."""
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
    kind, variant = VARIANTS.get(kind, (kind, {}))
    settings = {"kind": kind, **variant, **SETTINGS.get(kind, {}), **architecture}
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
    return VARIANTS.get(kind, (kind, {}))[0] in kinds_of_retrieval()


def reference_of(kind: str) -> ModelDefinition:
    """The definition of which docs/models.md records the cost: 8 slots of dim 16, one a history of 20, 4 numbers, default settings.

    Three slots are of the user, four of the item, one of the event. A logistic_regression's slots and a wide_deep's last two, which
    are its wide ones, have a weight instead of an embedding. A mmoe and a ple have two tasks, the others one.
    """
    tasks = [CLICK, {"name": "buy", "event_type": "purchase"}] if kind in ("mmoe", "ple") else [CLICK]
    sources = (
        "user.id",
        "item.id",
        "user.history",
        "item.topic",
        "user.country",
        "item.brand",
        "item.kind",
        "event.device",
    )
    slots = [
        {"name": source.replace(".", "_"), "number": n, "source": source, "dim": 16}
        for n, source in enumerate(sources, 1)
    ]
    architecture: dict[str, Any] = {"kind": kind}
    if kind in ("din", "sasrec"):
        slots[2]["pooling"] = "sequence"
        architecture["sequence_slot"] = "user_history"
    if kind == "din":
        architecture["target_slot"] = "item_id"
    if kind == "wide_deep":
        architecture["wide_slots"] = ["item_kind", "event_device"]
    for slot in slots:
        if kind == "logistic_regression" or slot["name"] in architecture.get("wide_slots", ()):
            slot["dim"] = 1
    numbers = ("item.price", "item.weight", "user.age", "user.visits")
    dense = [{"name": source.replace(".", "_"), "source": source} for source in numbers]
    return ModelDefinition.parse({"slots": slots, "dense": dense, "tasks": tasks, "architecture": architecture})
