"""Expressions of documents and requests, compiled against the schema."""

from __future__ import annotations

from engine.errors import InvalidDocument
from engine.retrieval.filters.compiled import CompiledFilter, compile_filter
from engine.spec.expression import parse_expression
from engine.spec.schema import Schema


def compiled(text: str, schema: Schema, field: str) -> CompiledFilter:
    """Raises `InvalidDocument` naming `field` and the place in the text."""
    try:
        # What was compiled lately is found by its text, without parsing it.
        return compile_filter(text, schema)
    except InvalidDocument:
        return compile_filter(parse_expression(text, field), schema)
