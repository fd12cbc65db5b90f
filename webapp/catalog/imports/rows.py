"""A file's rows by an import's choices, in the form that the services take: events, items or users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.spec.schema import PropertyType, Schema
from webapp.catalog.guessing.sampling import Sample
from webapp.catalog.importing.api_rows import event_rows
from webapp.catalog.importing.mapping import FileFormat
from webapp.catalog.importing.opening import EventFile
from webapp.catalog.importing.reading import BrokenRow, cell_reader, format_of, read_batches
from webapp.catalog.importing.rows import Row, RowMaker, as_text, converter
from webapp.catalog.imports.choices import Choices, EntitiesMapping
from webapp.catalog.models import Import


def rows_of_file(path: Path, choices: Choices, schema: Schema) -> Iterator[Row | BrokenRow]:
    """Every row, in an order that is the same each time. Raises `InvalidDocument`, OSError, `pa.ArrowException`."""
    if choices.kind == Import.Kind.EVENTS:
        if choices.as_events:
            return event_rows(path, schema, sort=choices.sort)
        return EventFile(path, choices.event_mapping(), schema, sort=choices.sort).rows()
    return _entity_rows(path, choices, schema)


def rows_of_sample(sample: Sample, choices: Choices, schema: Schema) -> list[Row]:
    """Those of the sample, in its order. Raises `InvalidDocument` while something is still to be chosen."""
    if choices.kind == Import.Kind.EVENTS and choices.as_events:
        names = sample.columns
        cells = zip(*(sample.cells[name] for name in names), strict=True)
        given = [{name: cell for name, cell in zip(names, row, strict=True) if cell is not None} for row in cells]
        return [Row(number, None, row) for number, row in zip(sample.numbers, given, strict=True)]
    if choices.kind == Import.Kind.EVENTS:
        maker = RowMaker(choices.event_mapping(), sample.format, schema)
        return list(maker.rows_of_cells(sample.numbers, sample.cells))
    maker_of_entities = EntityMaker(choices, schema)
    return list(maker_of_entities.rows(sample.numbers, sample.cells))


class EntityMaker:
    """Applies a mapping to cells: rows of items or users, in the API's form."""

    def __init__(self, choices: Choices, schema: Schema) -> None:
        self.mapping: EntitiesMapping = choices.entities_mapping()
        declared = schema.items if choices.kind == Import.Kind.ITEMS else schema.users
        self._converters = {
            name: converter(declared[name].type if name in declared else None) for name in self.mapping.properties
        }
        self._as_flag = converter(PropertyType.BOOLEAN)

    def rows(self, numbers: list[int], cells: dict[str, list[Any]]) -> Iterator[Row]:
        mapping = self.mapping
        for index, number in enumerate(numbers):
            found = {name: self._converters[name](cells[column][index]) for name, column in mapping.properties.items()}
            row: dict[str, Any] = {
                "id": as_text(cells[mapping.id][index]),
                "properties": {name: value for name, value in found.items() if value is not None},
            }
            if mapping.hidden is not None:
                row["hidden"] = self._as_flag(cells[mapping.hidden][index])
            yield Row(number, None, row)


def _entity_rows(path: Path, choices: Choices, schema: Schema) -> Iterator[Row | BrokenRow]:
    maker = EntityMaker(choices, schema)
    file_format: FileFormat = format_of(path)
    read = cell_reader(file_format)
    for batch in read_batches(path, file_format, maker.mapping.columns):
        yield from batch.broken
        names = batch.columns.schema.names
        cells = {name: list(map(read, batch.columns.column(name).to_pylist())) for name in names}
        yield from maker.rows(batch.numbers, cells)
