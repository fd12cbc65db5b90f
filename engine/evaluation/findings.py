"""What an evaluation found: a table for people and flat values for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.evaluation.intervals import Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant: its name and its figures by metric; a figure may have an interval."""

    name: str
    figures: Mapping[str, Estimate | float | int | str | None]

    def as_values(self) -> dict[str, object]:
        values: dict[str, object] = {"name": self.name}
        for metric, figure in self.figures.items():
            values |= figure.as_values(metric) if isinstance(figure, Estimate) else {metric: figure}
        return values


@dataclass(slots=True)
class Findings:
    """Rows in order, `values` that stand beside them in the report, and `missing`: contestants that could not be had, with the reason."""

    title: str
    rows: list[Row] = field(default_factory=list)
    values: dict[str, object] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, figures: Mapping[str, Estimate | float | int | str | None]) -> None:
        self.rows.append(Row(name, figures))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and cells, as text."""
        metrics = list(dict.fromkeys(metric for row in self.rows for metric in row.figures))
        cells = [[row.name, *(_text(row.figures.get(metric)) for metric in metrics)] for row in self.rows]
        cells += [[name, reason, *[""] * (len(metrics) - 1)] for name, reason in self.missing.items()]
        return ["", *metrics], cells

    def as_values(self) -> dict[str, object]:
        """For a report: `values`, then `rows`, each a flat object."""
        return {**self.values, "rows": [row.as_values() for row in self.rows], "missing": dict(self.missing)}


def _text(figure: Estimate | float | int | str | None) -> str:
    if figure is None:
        return "-"
    return f"{figure:.4f}" if isinstance(figure, float) else str(figure)


def best_of(findings: Findings, metric: str, names: Sequence[str]) -> Row:
    """The row among `names` whose `metric` is highest. Raises ValueError when there is none."""
    rows = [row for row in findings.rows if row.name in names]
    if not rows:
        raise ValueError(f"none of {', '.join(names)} was measured")
    return max(rows, key=lambda row: value_of(row.figures[metric]))


def value_of(figure: Estimate | float | int | str | None) -> float:
    return figure.value if isinstance(figure, Estimate) else float(figure or 0.0)
