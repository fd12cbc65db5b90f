"""Expressions of documents and requests, compiled against the schema and bound to a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.retrieval.filters import CompiledFilter
from engine.spec.schema import Schema


def compiled(text: str, schema: Schema, field: str) -> CompiledFilter:
    """Raises `InvalidDocument` naming `field` and the place in the text."""
    from engine.retrieval.filters import compile_filter
    from engine.spec.expression import parse_expression

    return compile_filter(parse_expression(text, field), schema)
