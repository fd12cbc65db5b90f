"""Bodies of `POST /events` that are not one JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import BaseParser

from engine.spec.validation import UnreadRow
from webapp.core.api import read_request_body
from webapp.core.errors import TooLarge
from webapp.core.strict_json import BrokenJson, read_json

MAX_LINE_KEPT_BYTES = 4_000


class JsonLinesParser(BaseParser):
    """One row a line, blank lines left out. A line that is not JSON is a refused row, and the others stand."""

    media_type = "application/x-ndjson"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        lines = [line for line in read_request_body(stream, parser_context).split(b"\n") if line and not line.isspace()]
        max_rows: int = settings.MAX_EVENTS_PER_REQUEST
        if len(lines) > max_rows:
            raise TooLarge(
                f"{len(lines)} rows in one request; at most {max_rows} are taken. Send them in several requests.",
                max_rows=max_rows,
                received=len(lines),
            )
        return list(map(_row, lines))


def _row(line: bytes) -> object:
    try:
        return read_json(line)
    except BrokenJson as error:
        text = line[:MAX_LINE_KEPT_BYTES].decode(errors="backslashreplace").strip()
        return UnreadRow(text, f"is not JSON: {error}")
