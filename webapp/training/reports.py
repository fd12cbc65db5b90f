"""A run's report as its page shows it: rows of tables, and the points of the reliability curve."""

from __future__ import annotations

from typing import Any

from django.template.loader import render_to_string

from webapp.training.models import Run
from webapp.training.task_curves import task_table

PICTURE = 240
"""The reliability picture is a square of so many units."""

SLICE_COLUMNS = (
    ("auc", "AUC", "number"),
    ("grouped_auc", "AUC by user", "number"),
    ("log_loss", "Log loss", "number"),
    ("normalised_entropy", "Norm. entropy", "number"),
    ("calibration", "Calibration", "number"),
    ("hr_at_10", "HR@10", "share"),
    ("ndcg_at_10", "NDCG@10", "share"),
    ("coverage_at_10", "Coverage@10", "share"),
)


EPOCH_COLUMNS = SLICE_COLUMNS[:5]


PARTS = ("quality", "tables")
"""What of a report has a page of its own: `training/report_<part>.html`."""

SLOT_COLUMNS = (
    ("name", "Slot"),
    ("source", "Source"),
    ("num_rows", "Rows"),
    ("num_bytes", "Bytes"),
    ("num_candidates", "Ids waiting"),
    ("num_admitted", "Admitted"),
    ("num_expired", "Expired"),
    ("num_over_budget", "Over budget"),
    ("num_turned_away", "Sightings without a row"),
)


def render_report(run: Run, part: str, sort: str = "") -> str:
    """One of `PARTS` as HTML; slots by `sort`, a column's name, with a minus for the largest first."""
    context = report_context(run) if part == "quality" else tables_context(run, sort)
    return render_to_string(f"training/report_{part}.html", context)


def slice_names(run: Run) -> list[str]:
    """The slices that the newest report has."""
    return list(run.report.get("slices", {}))


def tables_context(run: Run, sort: str) -> dict[str, Any]:
    """What `training/report_tables.html` takes. An unknown `sort` is none: slots stay in the definition's order."""
    column, falls = sort.removeprefix("-"), sort.startswith("-")
    slots = [dict(slot) for slot in run.report.get("slots", [])]
    if column in dict(SLOT_COLUMNS):
        with_value = [slot for slot in slots if slot.get(column) is not None]
        without = [slot for slot in slots if slot.get(column) is None]
        slots = sorted(with_value, key=lambda slot: slot[column], reverse=falls) + without
    for key in ("num_rows", "num_bytes"):
        most = max((slot.get(key) or 0 for slot in slots), default=0)
        for slot in slots:
            slot[f"{key}_share"] = round(100 * (slot.get(key) or 0) / most, 1) if most else 0
    heads = [
        {
            "label": label,
            "is_number": key.startswith("num_"),
            "order": ("descending" if falls else "ascending") if key == column else "",
            # numbers fall at the first click, words rise
            "sort": key if (key == column and falls) or (key != column and not key.startswith("num_")) else f"-{key}",
        }
        for key, label in SLOT_COLUMNS
    ]
    return {"slots": slots, "heads": heads, "tables": run.report.get("tables", []), "reported_at": run.reported_at}


def report_context(run: Run) -> dict[str, Any]:
    """What `training/report_quality.html` takes; empty parts are left out of the page."""
    report = run.report
    slices = _slices(report.get("slices", {}))
    shown = {key for row in slices for key, value in row["values"].items() if value is not None}
    columns = [column for column in SLICE_COLUMNS if column[0] in shown]
    for row in slices:
        row["cells"] = [{"value": row["values"].get(key), "format": form} for key, _, form in columns]
    return {
        "reported_at": run.reported_at,
        "tasks": task_table(run),
        "slices": slices,
        "slice_columns": [label for _, label, _ in columns],
        "reliability": reliability_picture(report.get("reliability", [])),
        "epochs": _epochs(report.get("epochs", [])),
        "epoch_columns": [label for _, label, _ in EPOCH_COLUMNS],
    }


def _epochs(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the epochs, numbered from 1; of those that were better than all before, the last is the result."""
    best = max((one["epoch"] for one in results if one["is_best"]), default=None)
    return [
        {
            "number": one["epoch"] + 1,
            "is_best": one["epoch"] == best,
            "cells": [one["values"].get(key) for key, _, _ in EPOCH_COLUMNS],
        }
        for one in results
    ]


def _slices(document: dict[str, dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row for each value of each slice, those with the most scores first within a slice."""
    rows = []
    for name, values in document.items():
        ordered = sorted(values.items(), key=lambda pair: -pair[1]["num_scores"])
        for place, (word, each) in enumerate(ordered):
            rows.append({"slice": name, "span": len(ordered) if place == 0 else 0, "value": word, "values": each})
    return rows


def reliability_picture(bins: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Points within a square of `PICTURE` units whose axes end at the largest mean; None without bins.

    Right is predicted, up is observed: a model that promises what happens lies on the diagonal.
    """
    end = max((max(each["predicted"], each["observed"]) for each in bins), default=0.0)
    if not end:
        return None
    points = [
        {
            **each,
            "x": round(PICTURE * each["predicted"] / end, 1),
            "y": round(PICTURE * (1.0 - each["observed"] / end), 1),
        }
        for each in bins
    ]
    return {"size": PICTURE, "end": end, "points": points, "line": " ".join(f"{one['x']},{one['y']}" for one in points)}
