"""Stored documents in the order people wrote and read them: PostgreSQL's jsonb keeps no order of keys."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidDocument
from engine.spec.document import Document


def in_reading_order(kind: type[Document], document: dict[str, Any]) -> dict[str, Any]:
    """The document with its keys as the specification lists them; one that no longer parses stays as it is."""
    try:
        return kind.parse(document).as_json()
    except InvalidDocument:
        return document
