"""Audit entries as CSV: RFC 4180, times in RFC 3339, details as JSON on one line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable

from webapp.audit.models import AuditEntry

COLUMNS = ("at", "actor_kind", "actor_name", "action", "target", "address", "details")
BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_of(entries: Iterable[AuditEntry]) -> str:
    """A header and a line for each entry. A cell that a spreadsheet would run as a formula begins with an apostrophe."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for entry in entries:
        details = json.dumps(entry.details, ensure_ascii=False, separators=(",", ":"))
        cells = (entry.actor_kind, entry.actor_name, entry.action, entry.target, entry.address, details)
        writer.writerow((entry.at.isoformat(), *(_harmless(cell) for cell in cells)))
    return file.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(BEGINS_A_FORMULA) else cell
