"""A definition that says every field, none at its default where it can be helped, and the form that a browser posts for it."""

from __future__ import annotations

from typing import Any

FULL_RANKING: dict[str, Any] = {
    "features": [
        {"kind": "cross", "name": "both", "sources": ["user.id", "item.id"]},
        {"kind": "time", "name": "hour", "source": "event.time", "part": "hour", "utc_offset_minutes": 60},
        {"kind": "bucket", "name": "night", "source": "feature.hour", "boundaries": [0.5, 6.0, 18.0]},
        {
            "kind": "ratio",
            "name": "rate",
            "numerator": "feature.night",
            "denominator": "feature.hour",
            "prior": 0.25,
            "prior_weight": 8.0,
        },
    ],
    "slots": [
        {
            "name": "user_id",
            "number": 7,
            "source": "user.id",
            "dim": 8,
            "max_values": 3,
            "pooling": "first",
            "shares": None,
            "admission": {"kind": "min_count", "min_count": 3, "window_s": 86400},
            "expiry": {"ttl_s": 2592000},
            "learning_rate_scale": 0.5,
        },
        {
            "name": "item_id",
            "number": 9,
            "source": "item.id",
            "dim": 8,
            "max_values": 4,
            "pooling": "sqrtn",
            "shares": None,
            "admission": {"kind": "probability", "probability": 0.25},
            "expiry": None,
            "learning_rate_scale": 2.0,
        },
        {
            "name": "history",
            "number": 11,
            "source": "user.history",
            "dim": 8,
            "max_values": 5,
            "pooling": "sum",
            "shares": "item_id",
            "admission": {"kind": "always"},
            "expiry": None,
            "learning_rate_scale": 1.0,
        },
    ],
    "dense": [],
    "tasks": [
        {"kind": "binary", "name": "bought", "event_type": "purchase", "weight": 2.5, "loss": "listwise"},
        {"kind": "binary", "name": "looked", "event_type": "click", "weight": 0.5, "loss": "pairwise"},
    ],
    "score": {"kind": "product", "weights": {"bought": 1.5, "looked": 0.25}},
    "architecture": {
        "kind": "deepfm",
        "num_negatives": 9,
        "hidden": [48, 24, 12],
        "senet_reduction": 3,
        "lhuc_slots": ["user_id", "history"],
    },
    "sparse_optimizer": {
        "kind": "adam",
        "learning_rate": {
            "kind": "polynomial",
            "value": 0.02,
            "warmup_steps": 100,
            "final": 0.001,
            "decay_steps": 5000,
            "power": 2.0,
        },
        "weight_decay": 0.001,
        "clip_norm": 5.0,
        "clip_value": 2.5,
        "initializer": {"kind": "truncated_normal", "scale": 0.04},
        "beta1": 0.8,
        "beta2": 0.99,
        "epsilon": 1e-6,
    },
    "dense_optimizer": {
        "kind": "adamw",
        "learning_rate": {"kind": "cosine", "value": 0.005, "warmup_steps": 20, "final": 0.0005, "decay_steps": 900},
        "clip_norm": 4.0,
        "beta1": 0.85,
        "beta2": 0.995,
        "epsilon": 1e-5,
        "weight_decay": 0.03,
    },
    "training": {
        "batch_size": 64,
        "online_batch_size": 32,
        "early_stopping": {
            "fraction": 0.2,
            "patience": 3,
            "min_delta": 0.001,
            "max_epochs": 9,
            "metric": "grouped_auc",
            "task": "looked",
        },
        "linger_s": 0.5,
        "seed": 3,
        "on_changed_slot": "restart",
        "precision": "bfloat16_mixed",
        "late_positives": "corrected",
        "checkpoint_every_s": 12.5,
        "evaluate_fraction": 0.25,
        "slices": ["item.category"],
    },
    "sync": {"interval_s": 2.5, "dense_interval_s": 7.5, "snapshot_every_s": 90.0, "max_delta_bytes": 131072},
    "retention": {"max_table_bytes": 2147483648, "evict": "least_often", "max_candidates": 50000},
    "serving": {"precision": "float16"},
}
OPTIMIZERS = ("sparse_optimizer", "dense_optimizer")
SECTIONS = ("training", "sync", "retention", "serving")
SHARED_BY_KINDS = {
    "sparse_optimizer": ("learning_rate", "clip_norm", "clip_value", "initializer"),
    "sparse_optimizer.learning_rate": ("value", "warmup_steps"),
    "dense_optimizer": ("learning_rate", "clip_norm"),
    "dense_optimizer.learning_rate": ("value", "warmup_steps"),
    "features": ("name",),
    "tasks": ("name", "event_type", "weight"),
}
"""Fields that every kind of a document has keep their control when another kind is chosen: their path leaves the kind out."""


def form_of(document: dict[str, Any]) -> dict[str, str]:
    """What a browser posts for a definition, by the form's naming: the dotted path of each field, through the kind where
    the field is one kind's own.
    """
    posted: dict[str, str] = {}
    for part in ("slots", "dense"):
        for index, row in enumerate(document[part]):
            for name, value in row.items():
                # a slot that shares has no controls for the rules of its rows
                if not (row.get("shares") and name == "learning_rate_scale"):
                    posted |= _posted(f"{part}.{index}.{name}", value)
    for part in ("features", "tasks"):
        for index, row in enumerate(document[part]):
            posted |= _posted(f"{part}.{index}", row, SHARED_BY_KINDS[part])
    posted |= _posted("architecture", document["architecture"])
    posted |= _posted("score", document["score"])
    for optimizer in OPTIMIZERS:
        posted |= _posted(optimizer, document[optimizer])
    for section in SECTIONS:
        for name, value in document[section].items():
            posted |= _posted(f"{section}.{name}", value)
    return posted


def _posted(path: str, value: Any, shared: tuple[str, ...] = ()) -> dict[str, str]:
    """What is None or False posts nothing, as an empty control and an unticked box do."""
    if path.endswith(".weights"):
        return {path: ", ".join(f"{name}: {weight}" for name, weight in value.items())}
    if isinstance(value, dict):
        kind = value.get("kind")
        own = f"{path}.{kind}" if kind else path
        found = {f"{path}.kind": kind} if kind else {}
        shared = shared or SHARED_BY_KINDS.get(path, ())
        for name, part in value.items():
            if name != "kind":
                found |= _posted(f"{path if name in shared else own}.{name}", part)
        return found
    if value is None or value is False:
        return {}
    return {path: ", ".join(map(str, value)) if isinstance(value, list) else "on" if value is True else str(value)}
