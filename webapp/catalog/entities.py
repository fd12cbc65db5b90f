"""Users and items: written to PostgreSQL and to the `catalog` topic in one go.

The topic is written inside the transaction that holds the rows' locks, so that its order is PostgreSQL's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from django.db import transaction

from engine.errors import InvalidDocument, Problem
from engine.spec.document import shorten
from engine.spec.event import CatalogChange
from engine.spec.validation import PropertyValidator
from engine.spec.values import BrokenRule, check_id
from engine.streams import topics
from engine.streams.log import Record
from webapp.accounts.models import Project
from webapp.catalog import known_items, storage
from webapp.catalog.models import Entity, Item, User
from webapp.catalog.storage import Kind
from webapp.core.clock import wall_ms
from webapp.core.errors import NotFound
from webapp.core.log import append
from webapp.registry.selectors import schema_document

MODEL_OF: dict[Kind, type[User] | type[Item]] = {"user": User, "item": Item}
ROW_FIELDS = frozenset(("id", "properties"))


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of one row of a batch; `id` is None when the row had none that could be read."""

    index: int
    id: str | None
    status: Literal["written", "rejected"]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class PutReport:
    """One result for each row, in the rows' order."""

    results: list[PutResult]
    num_written: int
    num_rejected: int


def item_put(*, project: Project, item_id: str, properties: object) -> Item:
    """Create the item or replace its properties. Raises `InvalidDocument` with every broken field, `LogError`."""
    return cast(Item, _put(project, "item", item_id, properties))


def user_put(*, project: Project, user_id: str, properties: object) -> User:
    """Create the user or replace their properties. Raises `InvalidDocument` with every broken field, `LogError`."""
    return cast(User, _put(project, "user", user_id, properties))


def item_patch(*, project: Project, item_id: str, properties: object) -> Item:
    """Change the named properties and leave the rest; null clears one. Raises `NotFound`, `InvalidDocument`, `LogError`."""
    return cast(Item, _patch(project, "item", item_id, properties))


def user_patch(*, project: Project, user_id: str, properties: object) -> User:
    """Change the named properties and leave the rest; null clears one. Raises `NotFound`, `InvalidDocument`, `LogError`."""
    return cast(User, _patch(project, "user", user_id, properties))


def item_delete(*, project: Project, item_id: str) -> None:
    """The item is recommended no more; its events and what was learned from them stay. Raises `NotFound`, `LogError`."""
    _delete(project, "item", item_id)


def user_delete(*, project: Project, user_id: str) -> None:
    """The user's properties go; events stay. Raises `NotFound`, `LogError`."""
    _delete(project, "user", user_id)


def items_put(*, project: Project, rows: Sequence[object]) -> PutReport:
    """Put each row {"id", "properties"}; each is judged by itself, and of an id named twice the last row stays."""
    return _put_batch(project, "item", rows)


def users_put(*, project: Project, rows: Sequence[object]) -> PutReport:
    """Put each row {"id", "properties"}; each is judged by itself, and of an id named twice the last row stays."""
    return _put_batch(project, "user", rows)


def append_changes(project: Project, changes: Sequence[CatalogChange]) -> None:
    """Tell the joiner and the replicas. Raises `LogError`."""
    if not changes:
        return
    records = [Record(f"{change.kind}:{change.id}", change.to_bytes(), change.updated_ms) for change in changes]
    append(project.slug, topics.catalog(project.slug), records)


def _put(project: Project, kind: Kind, entity_id: str, properties: object) -> Entity:
    _check_id(kind, entity_id)
    checked = _validator(project, kind).validate(properties)
    _write(project, kind, {entity_id: checked})
    return _find(project, kind, entity_id)


def _patch(project: Project, kind: Kind, entity_id: str, properties: object) -> Entity:
    _check_id(kind, entity_id)
    changed = _validator(project, kind).validate(properties, partial=True)
    with transaction.atomic():
        merged = _find(project, kind, entity_id, lock=True).properties | changed
        _write(project, kind, {entity_id: {name: value for name, value in merged.items() if value is not None}})
    return _find(project, kind, entity_id)


def _delete(project: Project, kind: Kind, entity_id: str) -> None:
    _check_id(kind, entity_id)
    with transaction.atomic():
        _find(project, kind, entity_id, lock=True).delete()
        append_changes(project, [CatalogChange(kind, entity_id, deleted=True, updated_ms=wall_ms())])
    known_items.forget()


def _put_batch(project: Project, kind: Kind, rows: Sequence[object]) -> PutReport:
    validator = _validator(project, kind)
    results: list[PutResult] = []
    written: dict[str, dict[str, Any]] = {}
    for index, row in enumerate(rows):
        problems: list[Problem] = []
        entity_id, properties = _read_row(row, validator, problems)
        if problems or entity_id is None:
            results.append(PutResult(index, entity_id, "rejected", tuple(problems)))
        else:
            written[entity_id] = properties
            results.append(PutResult(index, entity_id, "written"))
    if written:
        _write(project, kind, written)
    num_rejected = sum(result.status == "rejected" for result in results)
    return PutReport(results, len(results) - num_rejected, num_rejected)


def _read_row(row: object, validator: PropertyValidator, problems: list[Problem]) -> tuple[str | None, dict[str, Any]]:
    if not isinstance(row, dict):
        problems.append(Problem("(row)", "must be an object with id and properties", shorten(row)))
        return None, {}
    for name in sorted(row.keys() - ROW_FIELDS)[:20]:
        problems.append(Problem(str(name)[:80], "is not a field; the fields are: id, properties", shorten(row[name])))
    entity_id = None
    try:
        entity_id = check_id(row.get("id"))
    except BrokenRule as broken:
        problems.append(Problem("id", str(broken), shorten(row.get("id"))))
    return entity_id, validator.collect(row.get("properties", {}), "properties.", problems)


def _write(project: Project, kind: Kind, properties_of: dict[str, dict[str, Any]]) -> None:
    now_ms = wall_ms()
    with transaction.atomic():
        storage.write_entities(project, kind, properties_of)
        append_changes(
            project, [CatalogChange(kind, one, props, False, now_ms) for one, props in properties_of.items()]
        )


def _find(project: Project, kind: Kind, entity_id: str, *, lock: bool = False) -> Entity:
    rows = MODEL_OF[kind]._default_manager.filter(project=project, external_id=entity_id)
    found: Entity | None = (rows.select_for_update() if lock else rows).first()
    if found is None:
        raise NotFound(f"There is no {kind} {shorten(entity_id)}.")
    return found


def _validator(project: Project, kind: Kind) -> PropertyValidator:
    schema = schema_document(project=project)
    return PropertyValidator(schema.users if kind == "user" else schema.items, f"{kind} properties")


def _check_id(kind: Kind, entity_id: str) -> None:
    try:
        check_id(entity_id)
    except BrokenRule as broken:
        raise InvalidDocument(f"{kind} id", [Problem(f"{kind}_id", str(broken), shorten(entity_id))]) from None
