"""The form and the JSON beside it: which of the two was changed since the page was made, so that neither overwrites the other.

The page remembers what it was made with: the text as it was, and a digest of the document that its controls would have posted. Whatever
a browser posts is told apart by these alone, so that it works without a script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

import orjson

from webapp.core.strict_json import BrokenJson, read_json
from webapp.registry.definition_form import document_from_form
from webapp.registry.json_text import line_of_error


class Changed(StrEnum):
    """Which side says something that the other does not."""

    NEITHER = "neither"
    FORM = "form"
    TEXT = "text"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class BothSides:
    """What was posted. `document` is of the side that counts: the form's, or the text's where that alone was changed.

    `text` as it was typed, None where no JSON was posted; `complaint` where it is no JSON, and `document` is then the form's.
    """

    changed: Changed
    document: Any
    of_form: dict[str, Any]
    text: str | None
    complaint: dict[str, str] | None = None
    is_form_there: bool = True
    of_text: Any = field(default=None)

    @property
    def counts_text(self) -> bool:
        """Whether the JSON is what the page goes by."""
        return self.changed is Changed.TEXT or not self.is_form_there


def read_both(posted: Mapping[str, Any]) -> BothSides:
    text, was = posted.get("document"), posted.get("document_was", "")
    is_form_there = "architecture.kind" in posted
    of_form = document_from_form(posted)
    if text is None:
        return BothSides(Changed.FORM, of_form, of_form, None)
    of_text, complaint = _read(text)
    if not is_form_there:
        return BothSides(Changed.TEXT, of_text, of_form, text, complaint, is_form_there, of_text)
    text_changed = _lines(text) != _lines(was)
    form_changed = digest_of(of_form) != posted.get("form_was", "")
    changed = {
        (False, False): Changed.NEITHER,
        (False, True): Changed.FORM,
        (True, False): Changed.TEXT,
        (True, True): Changed.BOTH,
    }[text_changed, form_changed]
    by_text = changed is Changed.TEXT and complaint is None
    return BothSides(changed, of_text if by_text else of_form, of_form, text, complaint, is_form_there, of_text)


def digest_of(document: Any) -> str:
    """Equal for equal documents, whatever the order of their keys."""
    return sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _read(text: str) -> tuple[Any, dict[str, str] | None]:
    try:
        return read_json(text), None
    except BrokenJson as error:
        line = line_of_error(str(error))
        return None, {"field": "(document)", "rule": f"is not JSON: {error}", "received": "", "line": str(line or 1)}


def _lines(text: str) -> list[str]:
    """Browsers post line ends of their own."""
    return text.strip().splitlines()
