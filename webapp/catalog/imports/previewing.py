"""What would become of a file's first rows: the row as it would be written, and the verdict on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from engine.errors import InvalidDocument, Problem
from engine.spec.schema import Schema
from engine.spec.validation import EventValidator
from webapp.catalog.entities import problems_of_rows
from webapp.catalog.guessing.sampling import Sample
from webapp.catalog.importing.rows import Row
from webapp.catalog.imports.choices import Choices
from webapp.catalog.imports.rows import rows_of_sample
from webapp.catalog.models import Import
from webapp.catalog.storage import Kind
from webapp.core.clock import wall_ms

ROWS_SHOWN: Final = 8
REASONS_SHOWN: Final = 6


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One row as it would be sent; `problems` is empty for one that would be taken."""

    number: int
    row: dict[str, Any]
    problems: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that rows of the sample break, how many of them, and an example of what was received."""

    field: str
    rule: str
    num: int
    received: str


@dataclass(slots=True)
class Preview:
    """`missing` says what is still to be chosen; the rest is of the sample. Refused rows are shown before others would hide them."""

    missing: list[Problem] = field(default_factory=list)
    rows: list[PreviewRow] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    num_rows: int = 0
    num_refused: int = 0
    is_whole: bool = False

    @property
    def takes_nothing(self) -> bool:
        return self.num_refused == self.num_rows

    @property
    def share_refused(self) -> float:
        return self.num_refused / self.num_rows if self.num_rows else 0.0


def preview(sample: Sample, choices: Choices, schema: Schema) -> Preview:
    try:
        rows = rows_of_sample(sample, choices, schema)
    except InvalidDocument as error:
        problems = error.extra.get("problems", [])
        return Preview(missing=[Problem(one["field"], one["rule"], one["received"]) for one in problems])
    judged = (
        _judged_events(rows, schema) if choices.kind == Import.Kind.EVENTS else _judged_entities(rows, choices, schema)
    )
    judged |= {broken.number: [Problem("(row)", broken.rule, broken.text)] for broken in sample.broken}
    reasons: Counter[tuple[str, str]] = Counter()
    received: dict[tuple[str, str], str] = {}
    for problems in judged.values():
        for problem in problems:
            reasons[problem.field, problem.rule] += 1
            received.setdefault((problem.field, problem.rule), problem.received)
    return Preview(
        rows=[
            PreviewRow(row.number, row.event, [problem.as_dict() for problem in judged.get(row.number, ())])
            for row in rows[:ROWS_SHOWN]
        ],
        reasons=[Reason(*key, num, received[key]) for key, num in reasons.most_common(REASONS_SHOWN)],
        num_rows=len(rows) + len(sample.broken),
        num_refused=len(judged),
        is_whole=sample.is_whole,
    )


def _judged_events(rows: list[Row], schema: Schema) -> dict[int, list[Problem]]:
    found = EventValidator(schema).validate([row.event for row in rows], received_ms=wall_ms())
    return {rows[refused.index].number: list(refused.problems) for refused in found.rejected}


def _judged_entities(rows: list[Row], choices: Choices, schema: Schema) -> dict[int, list[Problem]]:
    kind: Kind = "item" if choices.kind == Import.Kind.ITEMS else "user"
    found = problems_of_rows(kind, [row.event for row in rows], schema)
    return {row.number: problems for row, problems in zip(rows, found, strict=True) if problems}
