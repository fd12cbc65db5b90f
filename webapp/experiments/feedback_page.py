"""What became of what was shown, laid out for a page: a table for each way of grouping, a column for each action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

GROUPS: Final = {
    "by_source": ("source", "By source"),
    "by_revision": ("revision", "By revision"),
    "by_arm": ("arm", "By arm"),
    "by_position": ("position", "By place"),
}


def feedback_tables(feedback: Mapping[str, Any]) -> dict[str, Any]:
    """{"types": event types, "tables": [{"title", "rows": [{"label", "num_shown", "cells": [{"num", "rate", "width"}]}]}]}; `width` is
    the rate in per cent of the greatest of its column."""
    types = list(feedback["total"]["actions"])
    tables = []
    for group, (name, title) in GROUPS.items():
        rows = feedback[group]
        if rows:
            tables.append({"title": title, "rows": _rows(rows, name, types)})
    return {"types": types, "tables": tables}


def _rows(rows: Sequence[Mapping[str, Any]], name: str, types: Sequence[str]) -> list[dict[str, Any]]:
    most = {kind: max((row["rates"].get(kind, 0.0) for row in rows), default=0.0) for kind in types}
    return [
        {
            "label": _label(row, name),
            "num_shown": row["num_shown"],
            "cells": [
                {
                    "num": row["actions"].get(kind, 0),
                    "rate": row["rates"].get(kind, 0.0),
                    "width": round(100 * row["rates"].get(kind, 0.0) / most[kind]) if most[kind] else 0,
                }
                for kind in types
            ],
        }
        for row in rows
    ]


def _label(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if name == "position":
        return str(value + 1)  # people count from 1
    if name == "arm":
        return f"{row['experiment']}: {value or 'stopped'}"
    return str(value) or "unknown"
