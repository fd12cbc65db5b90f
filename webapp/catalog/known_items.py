"""Items that this process has just seen in the catalogue, so that not every event asks PostgreSQL for its item again."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from webapp.accounts.models import Project
from webapp.catalog import storage
from webapp.core.remembered import Remembered

KNOWN_S = 2.0
MAX_KNOWN = 200_000
"""Of one project: ids of up to 256 characters, so some tens of megabytes at the worst."""

_known: Remembered[int, set[str]] = Remembered(KNOWN_S, max_entries=64)


def create_unknown(project: Project, item_ids: Collection[str]) -> list[str]:
    """Create those that are not there; answers what was created, in order. Call inside a transaction.

    An item that another process deleted within the last `KNOWN_S` may be taken for one that is there: an event on it creates it
    again from then on.
    """
    known = _known.get(project.pk, set)
    unknown = set(item_ids) - known
    if not unknown:
        return []
    created = storage.create_absent_items(project, unknown)
    # Only what is committed is known to all, and a rolled-back batch has created nothing.
    transaction.on_commit(lambda: _remember(known, unknown))
    return created


def forget() -> None:
    """An item was deleted here."""
    _known.forget()


def _remember(known: set[str], item_ids: set[str]) -> None:
    if len(known) + len(item_ids) <= MAX_KNOWN:
        known |= item_ids
