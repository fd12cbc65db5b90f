"""The demo project's schema and model definitions: plain documents, as a team would post them. The data behind them is generated."""

from __future__ import annotations

from typing import Any


def demo_schema() -> dict[str, Any]:
    """News-like items with a topic, a section list and a price; users with a country; impressions, clicks and purchases."""
    return {
        "users": {"country": {"type": "string"}},
        "items": {
            "topic": {"type": "string", "required": True},
            "sections": {"type": "string_list"},
            "price": {"type": "float"},
        },
        "events": {
            "impression": {"role": "impression"},
            "click": {"role": "action", "properties": {"device": {"type": "string"}}},
            "purchase": {"role": "action"},
        },
        "join_window_s": 60.0,
        "history_length": 20,
    }


def _slots() -> list[dict[str, Any]]:
    return [
        {"name": "user_id", "number": 1, "source": "user.id"},
        {"name": "item_id", "number": 2, "source": "item.id"},
        {"name": "history", "number": 3, "source": "user.history", "shares": "item_id"},
        {"name": "topic", "number": 4, "source": "item.topic"},
        {"name": "sections", "number": 5, "source": "item.sections"},
        {"name": "country", "number": 6, "source": "user.country"},
    ]


def demo_retriever() -> dict[str, Any]:
    """The two_tower `retriever`: the whole catalogue to a few hundred candidates."""
    return {
        "slots": _slots(),
        "architecture": {"kind": "two_tower", "hidden": [64], "output_dim": 32},
    }


def demo_ranker() -> dict[str, Any]:
    """The deepfm `ranker`: scores for the candidates."""
    return {
        "slots": _slots(),
        "dense": [{"name": "price", "source": "item.price", "transform": "log1p"}],
        "architecture": {"kind": "deepfm", "hidden": [64, 32], "num_negatives": 4},
    }
