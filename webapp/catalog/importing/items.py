"""The items' own properties from a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from engine.spec.schema import PropertyType, Schema
from webapp.accounts.models import Project
from webapp.catalog import services
from webapp.catalog.importing.mapping import ItemsRule
from webapp.catalog.importing.reading import cell_reader, format_of, read_batches
from webapp.catalog.importing.rows import as_text, converter


@dataclass(slots=True)
class ItemsReport:
    num_written: int = 0
    num_rejected: int = 0
    first_problem: str = ""


def load_items(
    *,
    project: Project,
    rule: ItemsRule,
    folder: Path,
    schema: Schema,
    on_batch: Callable[[float], None] = lambda _: None,
) -> ItemsReport:
    """Put every item of the file; a row that is refused does not stop the rest. Raises `InvalidDocument`, OSError, `LogError`."""
    path = folder / rule.file
    file_format = rule.format or format_of(path)
    read = cell_reader(file_format)
    converters = {
        name: converter(schema.items[name].type if name in schema.items else None) for name in rule.properties
    }
    report = ItemsReport()
    columns = [rule.item_id, *rule.properties.values(), *([] if rule.hidden is None else [rule.hidden])]
    as_flag = converter(PropertyType.BOOLEAN)
    for batch in read_batches(path, file_format, list(dict.fromkeys(columns))):
        cells = {name: list(map(read, batch.columns.column(name).to_pylist())) for name in batch.columns.schema.names}
        rows = []
        for index, item_id in enumerate(cells[rule.item_id]):
            found = {name: converters[name](cells[column][index]) for name, column in rule.properties.items()}
            properties = {name: value for name, value in found.items() if value is not None}
            hidden = None if rule.hidden is None else as_flag(cells[rule.hidden][index])
            rows.append({"id": as_text(item_id), "properties": properties, "hidden": hidden})
        put = services.items_put(project=project, rows=rows)
        report.num_written += put.num_written
        report.num_rejected += put.num_rejected + len(batch.broken)
        if put.num_rejected and not report.first_problem:
            problem = next(result.problems[0] for result in put.results if result.status == "rejected")
            report.first_problem = f"{problem.field}: {problem.rule} (received {problem.received})"
        on_batch(report.num_written + report.num_rejected)
    return report
