"""The schema's form and the JSON beside it: which of the two was changed since the page was made, so that neither overwrites the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.spec.schema import Schema
from webapp.core.strict_json import BrokenJson, read_json
from webapp.registry.both_sides import digest_of
from webapp.registry.reading_order import in_reading_order
from webapp.registry.schema_rows import SchemaRows, fits_form, rows_from_form, rows_of

BOTH_CHANGED: Final = {
    "field": "(document)",
    "rule": "the form and the JSON were both changed; take one into the other first",
    "received": "",
}
NO_PLACE: Final = {
    "field": "(document)",
    "rule": "has parts the form has no place for; publish it as text",
    "received": "",
}


@dataclass(slots=True)
class Posted:
    """What was posted. `document` is of the side that counts, None for text that is no JSON.

    `rows` are the form's, None on the page of JSON alone. `text` is the JSON where it counts or stands beside a changed form.
    """

    document: Any
    rows: SchemaRows | None = None
    text: str | None = None
    is_by_text: bool = False
    problems: list[dict[str, str]] = field(default_factory=list)

    @property
    def is_undecided(self) -> bool:
        """Both sides were changed, and nobody has said yet which counts."""
        return BOTH_CHANGED in self.problems

    def decided(self, action: str) -> Posted:
        """`as_form` takes the JSON, `refresh` the form, whatever was changed; any other act decides nothing."""
        if action == "as_form" and self.rows is not None and self.text is not None:
            return _of_text(self.text, self.rows)
        if action == "refresh" and self.rows is not None:
            return Posted(self.rows.document()[0], rows=self.rows)
        return self

    def rows_of_side(self) -> SchemaRows | None:
        """The form's rows by the side that counts; None for a document that it has no place for."""
        if not self.is_by_text:
            return self.rows
        return rows_of(in_reading_order(Schema, self.document)) if fits_form(self.document) else None


def read_posted(data: Mapping[str, str]) -> Posted:
    """`document` is the page of JSON alone; otherwise the form, with `json` beside it."""
    if "document" in data:
        return _of_text(data["document"], None)
    rows = rows_from_form(data)
    document, problems = rows.document()
    text = data.get("json")
    if text is None or _lines(text) == _lines(data.get("json_was", "")):
        return Posted(document, rows=rows, problems=problems)
    if form_digest(document) != data.get("form_was", ""):
        return Posted(document, rows=rows, text=text, problems=[BOTH_CHANGED])
    return _of_text(text, rows)


def form_digest(document: Any) -> str:
    """Equal for documents that the form shows alike: what is absent, empty or false is the same to it, and 300 is 300.0."""
    return digest_of(_shown(document))


def _of_text(text: str, rows: SchemaRows | None) -> Posted:
    try:
        return Posted(read_json(text), rows=rows, text=text, is_by_text=True)
    except BrokenJson as error:
        complaint = {"field": "(document)", "rule": f"is not JSON: {error}", "received": ""}
        return Posted(None, rows=rows, text=text, is_by_text=True, problems=[complaint])


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        shown = {name: _shown(inner) for name, inner in value.items()}
        return {name: inner for name, inner in shown.items() if inner not in (None, "", False, [], {})}
    if isinstance(value, list):
        return [_shown(one) for one in value]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else value


def _lines(text: str) -> list[str]:
    """Browsers post line ends of their own."""
    return text.strip().splitlines()
