"""Runs side by side: which, where their definitions differ, and what each came to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from webapp.accounts.models import Project
from webapp.training.models import Run
from webapp.training.selectors import runs_of

MAX_RUNS: Final = 8
MAX_ID_DIGITS: Final = 18
_METRICS: Final = (
    ("auc", "AUC", "number", 1),
    ("grouped_auc", "AUC by user", "number", 1),
    ("hr_at_10", "HR@10", "share", 1),
    ("ndcg_at_10", "NDCG@10", "share", 1),
    ("coverage_at_10", "Coverage@10", "share", 0),
    ("loss", "Loss", "number", 0),
    ("log_loss", "Log loss", "number", -1),
    ("normalised_entropy", "Normalised entropy", "number", -1),
    ("calibration", "Calibration", "number", 0),
    ("examples_per_s", "Examples/s", "number", 0),
    ("table_rows", "Table rows", "number", 0),
    ("table_bytes", "Table bytes", "byte_size", 0),
)
"""Key, label, how it is written, and whether more (1) or less (-1) of it is better; losses of unlike definitions cannot be told apart."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A place in the definition, and what each run has there as JSON; None where it has nothing."""

    path: str
    values: list[str | None]


@dataclass(frozen=True, slots=True)
class MetricRow:
    """`best` are the places of the runs that are best, when there is a best and a rest."""

    label: str
    form: str
    values: list[Any]
    best: set[int]

    @property
    def cells(self) -> list[tuple[Any, bool]]:
        return [(value, place in self.best) for place, value in enumerate(self.values)]


def run_ids(texts: Iterable[str]) -> list[int]:
    """Ids in texts such as "3,5,8", each once and at most `MAX_RUNS`; what is no id is passed over."""
    words = [word.strip() for text in texts for word in text.split(",")]
    numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) <= MAX_ID_DIGITS]
    return list(dict.fromkeys(numbers))[:MAX_RUNS]


def runs_compared(*, project: Project, ids: Sequence[int]) -> list[Run]:
    """Those of the project among them, in the order asked for."""
    found = {run.pk: run for run in runs_of(project=project).filter(pk__in=ids)}
    return [found[run_id] for run_id in ids if run_id in found]


def differences(runs: Sequence[Run]) -> list[Difference]:
    """Where the definitions are not all the same, by path; a list's members go by their names where they have any."""
    flat = [_flat(run.model_version.document) for run in runs]
    paths = dict.fromkeys(path for each in flat for path in each)
    rows = (Difference(path, [each.get(path) for each in flat]) for path in paths)
    return [row for row in rows if len(set(row.values)) > 1]


def metric_rows(runs: Sequence[Run]) -> list[MetricRow]:
    """The newest value of each metric that any of the runs has."""
    rows = []
    for key, label, form, better in _METRICS:
        values = [run.latest.get(key) for run in runs]
        if any(value is not None for value in values):
            rows.append(MetricRow(label, form, values, _best(values, better)))
    return rows


def _best(values: Sequence[Any], better: int) -> set[int]:
    known = {place: value * better for place, value in enumerate(values) if value is not None}
    if not better or len(set(known.values())) < 2:
        return set()
    most = max(known.values())
    return {place for place, value in known.items() if value == most}


def _flat(value: Any, at: str = "") -> dict[str, str]:
    members = _members(value)
    if members is None:
        return {at: json.dumps(value, ensure_ascii=False)}
    found: dict[str, str] = {}
    for name, member in members.items():
        found |= _flat(member, f"{at}.{name}" if at else name)
    return found


def _members(value: Any) -> Mapping[str, Any] | None:
    """Of an object, or of a list of objects; None of what stands for itself."""
    if isinstance(value, dict) and value:
        return value
    if isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        return {str(each.get("name", place)): each for place, each in enumerate(value)}
    return None
