"""Users and items found by what people know of them: how an id begins, a word of a property, a property's value, when it was made.

Bounded however many there are. What is found is in the order of ids. A rare condition is answered from its index, a common one by
walking along the ids; one that is neither, because what it holds for lies together far behind, ends the walk when its time is up: the
page then says how far it looked, and its cursor goes on from there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic

import orjson
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from engine.spec.document import shorten
from webapp.accounts.models import Project
from webapp.catalog.entities import MODEL_OF
from webapp.catalog.selectors import EntityModel
from webapp.catalog.storage import Kind
from webapp.core.errors import Invalid
from webapp.core.paging import clamp, cursor_of, key_of

FEW: Final = 5_000
"""So many are sorted at once; what holds for more is walked along."""

_WALKED_FIRST: Final = 2_000
_WALKED_AT_ONCE: Final = 5_000
BUDGET_S: Final = 0.12
MAX_WORDS: Final = 8

_WORDS: Final = re.compile(r"\w+")
_HAS_WORDS: Final = """jsonb_to_tsvector('simple', properties, '["string", "numeric"]') @@ to_tsquery('simple', %s)"""


@dataclass(frozen=True, slots=True)
class EntityQuery:
    """What is asked for; empty parts ask for nothing. `text`: the id begins so, or every word begins a word of some property.

    `values` maps a property to what it is, or has among its members where it is a list. `hidden` is for items alone.
    """

    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    hidden: bool | None = None
    created_since: datetime | None = None

    @property
    def is_everything(self) -> bool:
        return not (self.text or self.values or self.hidden is not None or self.created_since)


@dataclass(frozen=True, slots=True)
class EntityPage(Generic[EntityModel]):
    """Rows by id. `looked_through` is the id up to which was looked when time was up, else None; `next_cursor` goes on behind it."""

    rows: list[EntityModel]
    next_cursor: str | None
    looked_through: str | None = None


def entities_found(
    *,
    project: Project,
    kind: Kind,
    query: EntityQuery,
    cursor: str | None = None,
    limit: int = 50,
    stopwatch: Callable[[], float] = time.monotonic,
) -> EntityPage[Any]:
    """At most `limit` (1 to `MAX_PAGE`) users or items behind the cursor. Raises `Invalid` for a broken cursor or text."""
    if "\x00" in query.text or "\x00" in orjson.dumps(dict(query.values), default=str).decode():
        raise Invalid.field("q", "must not contain the NUL character", shorten(query.text))
    search = _Search(MODEL_OF[kind]._default_manager.filter(project=project), query, clamp(limit), stopwatch)
    return search.page(key_of(cursor) if cursor else "")


class _Search:
    """One look. Keys are ids."""

    def __init__(self, rows: QuerySet[Any], query: EntityQuery, limit: int, stopwatch: Callable[[], float]) -> None:
        self._limit = limit
        self._stopwatch = stopwatch
        self._until_s = stopwatch() + BUDGET_S
        if query.hidden is not None:
            rows = rows.filter(hidden=query.hidden)
        self._rows = rows
        self._text = query.text
        self._tsquery = _tsquery(query.text)
        conditions: list[Callable[[QuerySet[Any]], QuerySet[Any]]] = []
        if query.values:
            values = dict(query.values)
            conditions.append(lambda found: found.filter(properties__contains=values))
        if query.created_since is not None:
            since = query.created_since
            conditions.append(lambda found: found.filter(created_at__gte=since))
        self._conditions = conditions

    def page(self, after: str) -> EntityPage[Any]:
        if not self._text:
            return self._found(after, self._conditions)
        by_id = self._found(after, self._conditions, lambda found: found.filter(external_id__startswith=self._text))
        if not self._tsquery:
            return by_id
        tsquery = self._tsquery
        has_words = RawSQL(_HAS_WORDS, [tsquery], BooleanField())  # noqa: S611 - fixed text, and a parameter
        by_word = self._found(after, [*self._conditions, lambda found: found.filter(has_words)])
        return self._both(by_id, by_word)

    def _both(self, one: EntityPage[Any], other: EntityPage[Any]) -> EntityPage[Any]:
        """Two pages of the same rows as one, as far as both have looked."""
        rows = self._rows.filter(pk__in={row.pk for row in (*one.rows, *other.rows)})
        looked = {key_of(page.next_cursor): page.looked_through for page in (one, other) if page.next_cursor}
        for end in looked:
            rows = rows.filter(external_id__lte=end)
        found = list(rows.order_by("external_id"))
        if not looked or len(found) > self._limit:
            return self._cut(found)
        # Which of two comes first the database says, whose order of ids need not be Python's.
        ends = self._rows.filter(external_id__in=looked).order_by("external_id").values_list("external_id", flat=True)
        first = ends.first() or min(looked)
        return EntityPage(found, cursor_of(first), looked[first])

    def _found(
        self,
        after: str,
        conditions: list[Callable[[QuerySet[Any]], QuerySet[Any]]],
        begins: Callable[[QuerySet[Any]], QuerySet[Any]] = lambda found: found,
    ) -> EntityPage[Any]:
        rows = begins(self._rows)
        if not conditions:
            return self._cut(list(self._behind(rows, after)[: self._limit + 1]))
        first = self._walked(rows, after, conditions, _WALKED_FIRST)
        if len(first.rows) > self._limit or first.end is None:
            return self._cut(first.rows)
        chosen = self._matching(rows, conditions)
        few = list(chosen.values_list("pk", flat=True)[: FEW + 1])
        if len(few) <= FEW:
            # By the database, whose order of ids need not be Python's.
            return self._cut(list(self._behind(rows.filter(pk__in=few), after)[: self._limit + 1]))
        return self._walk_on(rows, conditions, first)

    def _walk_on(self, rows: QuerySet[Any], conditions: list[Any], walk: _Walk) -> EntityPage[Any]:
        found, end = walk.rows, walk.end
        while end is not None and len(found) <= self._limit and self._stopwatch() < self._until_s:
            part = self._walked(rows, end, conditions, _WALKED_AT_ONCE)
            found, end = found + part.rows, part.end
        if len(found) > self._limit or end is None:
            return self._cut(found)
        return EntityPage(found, cursor_of(end), end)

    def _walked(self, rows: QuerySet[Any], after: str, conditions: list[Any], num: int) -> _Walk:
        """What matches of the next `num` rows. The last of them is looked up in the index alone."""
        behind = self._behind(rows, after)
        end = behind.values_list("external_id", flat=True)[num - 1 : num].first()
        part = behind if end is None else behind.filter(external_id__lte=end)
        return _Walk(list(self._matching(part, conditions)[: self._limit + 1]), end)

    def _behind(self, rows: QuerySet[Any], after: str) -> QuerySet[Any]:
        return (rows.filter(external_id__gt=after) if after else rows).order_by("external_id")

    def _matching(self, rows: QuerySet[Any], conditions: list[Any]) -> QuerySet[Any]:
        for condition in conditions:
            rows = condition(rows)
        return rows

    def _cut(self, found: list[Any]) -> EntityPage[Any]:
        page = found[: self._limit]
        return EntityPage(page, cursor_of(page[-1].external_id) if len(found) > self._limit else None)


@dataclass(frozen=True, slots=True)
class _Walk:
    """`end`: the last id looked at; None when there is none behind."""

    rows: list[Any]
    end: str | None


def _tsquery(text: str) -> str:
    """Every word of the text as the beginning of one; empty when it has none."""
    return " & ".join(f"'{word}':*" for word in _WORDS.findall(text.lower())[:MAX_WORDS])
