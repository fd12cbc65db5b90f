"""Pages of a list by cursor: stable while rows come and go, and as cheap at the end as at the start."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

from webapp.core.errors import Invalid

MAX_PAGE = 1000
MAX_ID_DIGITS = 18

Row = TypeVar("Row")
AnyModel = TypeVar("AnyModel", bound=Model)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in order; `next_cursor` asks for those that follow, and is None at the end."""

    rows: Sequence[Row]
    next_cursor: str | None


def cursor_of(key: str) -> str:
    """An opaque cursor behind the row with this key."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def key_of(cursor: str) -> str:
    """The key in a cursor. Raises `Invalid` for text that is not one of ours."""
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        if not key or "\x00" in key:
            raise ValueError(key)
        return key
    except (binascii.Error, ValueError):
        raise _broken(cursor) from None


def clamp(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))


def newest_page(rows: QuerySet[AnyModel], *, cursor: str | None, limit: int) -> Page[AnyModel]:
    """Rows by their id, the newest first; a cursor's key is the last id shown. Raises `Invalid` for a broken cursor."""
    if cursor:
        key = key_of(cursor)
        if not key.isdecimal() or len(key) > MAX_ID_DIGITS:
            raise _broken(cursor)
        rows = rows.filter(pk__lt=int(key))
    limit = clamp(limit)
    found = list(rows.order_by("-pk")[: limit + 1])
    page = found[:limit]
    return Page(page, cursor_of(str(page[-1].pk)) if len(found) > limit else None)


def _broken(cursor: str) -> Invalid:
    return Invalid.field("cursor", "must be a next_cursor of an earlier answer", repr(cursor[:80]))
