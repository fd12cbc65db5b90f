"""Users and items: written to PostgreSQL and to the `catalog` topic in one go.

The topic is written inside the transaction that holds the rows' locks, so that its order is PostgreSQL's order. What makes an item vanish
from answers is then waited for, once the locks are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from django.db import transaction

from engine.errors import InvalidDocument, Problem
from engine.spec.document import shorten
from engine.spec.event import CatalogChange
from engine.spec.schema import Schema
from engine.spec.validation import PropertyValidator
from engine.spec.values import BrokenRule, check_boolean, check_id
from engine.streams import topics
from engine.streams.log import Position, Record
from webapp.accounts.models import Project
from webapp.catalog import storage
from webapp.catalog.entity_audit import told_of
from webapp.catalog.models import Entity, Item, User
from webapp.catalog.reaching import replicas_behind
from webapp.catalog.storage import Kind
from webapp.core.clock import wall_ms
from webapp.core.errors import NotFound
from webapp.core.log import append
from webapp.registry.selectors import schema_document

MODEL_OF: dict[Kind, type[User] | type[Item]] = {"user": User, "item": Item}
ROW_FIELDS: dict[Kind, tuple[str, ...]] = {"user": ("id", "properties"), "item": ("id", "properties", "hidden")}

# Nothing is said of it, so that it stays what it is.
UNTOLD = None


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of one row of a batch; `id` is None when the row had none that could be read."""

    index: int
    id: str | None
    status: Literal["written", "rejected"]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class PutReport:
    """One result for each row, in the rows' order. `replicas_pending` are the names of replicas that may still answer what was hidden."""

    results: list[PutResult]
    num_written: int
    num_rejected: int
    replicas_pending: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ItemWritten:
    """`replicas_pending` are the names of replicas that may still answer it though it was hidden."""

    item: Item
    replicas_pending: tuple[str, ...] = ()


def item_put(
    *, project: Project, item_id: str, properties: object, hidden: object = UNTOLD, is_waited_for: bool = False
) -> ItemWritten:
    """Create the item or replace its properties. `hidden` None leaves it as hidden as it is; a new item is not.

    When it hides the item, or `is_waited_for`, every replica answers by it from now on, but those named as pending. Raises
    `InvalidDocument` with every broken field, `LogError`.
    """
    _check_id("item", item_id)
    told = _told(item_id, hidden)
    checked = _validator(project, "item").validate(properties)
    with told_of(project, "item", item_id, _reader(project, "item", item_id)):
        positions = _write_items(project, {item_id: checked}, told)
    pending = _pending(project, positions, told, is_waited_for)
    return ItemWritten(cast(Item, _find(project, "item", item_id)), pending)


def user_put(*, project: Project, user_id: str, properties: object) -> User:
    """Create the user or replace their properties. Raises `InvalidDocument` with every broken field, `LogError`."""
    _check_id("user", user_id)
    checked = _validator(project, "user").validate(properties)
    with told_of(project, "user", user_id, _reader(project, "user", user_id)):
        _write_users(project, {user_id: checked})
    return cast(User, _find(project, "user", user_id))


def item_patch(
    *, project: Project, item_id: str, properties: object, hidden: object = UNTOLD, is_waited_for: bool = False
) -> ItemWritten:
    """Change the named properties and leave the rest; null clears one. The rest as in `item_put`. Raises `NotFound`, `InvalidDocument`,
    `LogError`."""
    _check_id("item", item_id)
    told = _told(item_id, hidden)
    changed = _validator(project, "item").validate(properties, partial=True)
    with transaction.atomic(), told_of(project, "item", item_id, _reader(project, "item", item_id)):
        merged = _merged(project, "item", item_id, changed)
        positions = _write_items(project, {item_id: merged}, told)
    pending = _pending(project, positions, told, is_waited_for)
    return ItemWritten(cast(Item, _find(project, "item", item_id)), pending)


def user_patch(*, project: Project, user_id: str, properties: object) -> User:
    """Change the named properties and leave the rest; null clears one. Raises `NotFound`, `InvalidDocument`, `LogError`."""
    _check_id("user", user_id)
    changed = _validator(project, "user").validate(properties, partial=True)
    with transaction.atomic(), told_of(project, "user", user_id, _reader(project, "user", user_id)):
        _write_users(project, {user_id: _merged(project, "user", user_id, changed)})
    return cast(User, _find(project, "user", user_id))


def entity_delete(*, project: Project, kind: Kind, entity_id: str) -> list[Position]:
    """The row goes, and with it an item from answers; what else is known is forgotten by `webapp.erasure.services.erasure_order`, which
    is who calls this. Answers where `catalog` says so. Raises `NotFound`, `LogError`."""
    _check_id(kind, entity_id)
    with transaction.atomic():
        _find(project, kind, entity_id, lock=True).delete()
        return append_changes(project, [CatalogChange(kind, entity_id, deleted=True, updated_ms=wall_ms())])


def items_put(*, project: Project, rows: Sequence[object], is_waited_for: bool = False) -> PutReport:
    """Put each row {"id", "properties", "hidden"}; each is judged by itself, and of an id named twice the last row stays.

    `hidden` and `is_waited_for` as in `item_put`.
    """
    batch = _judged(project, "item", rows)
    pending: tuple[str, ...] = ()
    if batch.written:
        positions = _write_items(project, batch.written, batch.hidden)
        pending = _pending(project, positions, batch.hidden, is_waited_for)
    return batch.report(pending)


def users_put(*, project: Project, rows: Sequence[object]) -> PutReport:
    """Put each row {"id", "properties"}; each is judged by itself, and of an id named twice the last row stays."""
    batch = _judged(project, "user", rows)
    if batch.written:
        _write_users(project, batch.written)
    return batch.report()


def append_changes(project: Project, changes: Sequence[CatalogChange]) -> list[Position]:
    """Tell the joiner and the replicas. Raises `LogError`."""
    if not changes:
        return []
    records = [Record(f"{change.kind}:{change.id}", change.to_bytes(), change.updated_ms) for change in changes]
    return append(project.slug, topics.catalog(project.slug), records)


@dataclass(slots=True)
class _Batch:
    """Rows judged: what is to be written, and of which items it is told whether they are hidden."""

    results: list[PutResult] = field(default_factory=list)
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    hidden: dict[str, bool] = field(default_factory=dict)

    def report(self, replicas_pending: tuple[str, ...] = ()) -> PutReport:
        num_rejected = sum(result.status == "rejected" for result in self.results)
        return PutReport(self.results, len(self.results) - num_rejected, num_rejected, replicas_pending)


def _judged(project: Project, kind: Kind, rows: Sequence[object]) -> _Batch:
    validator = _validator(project, kind)
    batch = _Batch()
    for index, row in enumerate(rows):
        problems: list[Problem] = []
        entity_id, properties, hidden = _read_row(kind, row, validator, problems)
        if problems or entity_id is None:
            batch.results.append(PutResult(index, entity_id, "rejected", tuple(problems)))
            continue
        batch.written[entity_id] = properties
        if hidden is not UNTOLD:
            batch.hidden[entity_id] = hidden
        batch.results.append(PutResult(index, entity_id, "written"))
    return batch


def problems_of_rows(kind: Kind, rows: Sequence[object], schema: Schema) -> list[list[Problem]]:
    """What is wrong with each of the rows of `items_put` or `users_put` by this schema; nothing is written."""
    validator = _validator_of(schema, kind)
    found: list[list[Problem]] = [[] for _ in rows]
    for row, problems in zip(rows, found, strict=True):
        _read_row(kind, row, validator, problems)
    return found


def _read_row(
    kind: Kind, row: object, validator: PropertyValidator, problems: list[Problem]
) -> tuple[str | None, dict[str, Any], bool | None]:
    if not isinstance(row, dict):
        problems.append(Problem("(row)", "must be an object with id and properties", shorten(row)))
        return None, {}, UNTOLD
    fields = ROW_FIELDS[kind]
    for name in sorted(row.keys() - set(fields))[:20]:
        rule = f"is not a field; the fields are: {', '.join(fields)}"
        problems.append(Problem(str(name)[:80], rule, shorten(row[name])))
    entity_id, hidden = None, UNTOLD
    try:
        entity_id = check_id(row.get("id"))
    except BrokenRule as broken:
        problems.append(Problem("id", str(broken), shorten(row.get("id"))))
    if kind == "item" and row.get("hidden") is not None:
        try:
            hidden = check_boolean(row["hidden"])
        except BrokenRule as broken:
            problems.append(Problem("hidden", str(broken), shorten(row["hidden"])))
    return entity_id, validator.collect(row.get("properties", {}), "properties.", problems), hidden


def _write_items(
    project: Project, properties_of: dict[str, dict[str, Any]], hidden_of: Mapping[str, bool]
) -> list[Position]:
    now_ms = wall_ms()
    with transaction.atomic():
        hidden = storage.write_items(project, properties_of, hidden_of)
        changes = [
            CatalogChange("item", one, properties, False, now_ms, one in hidden)
            for one, properties in properties_of.items()
        ]
        return append_changes(project, changes)


def _write_users(project: Project, properties_of: dict[str, dict[str, Any]]) -> None:
    now_ms = wall_ms()
    with transaction.atomic():
        storage.write_users(project, properties_of)
        append_changes(
            project, [CatalogChange("user", one, props, False, now_ms) for one, props in properties_of.items()]
        )


def _merged(project: Project, kind: Kind, entity_id: str, changed: dict[str, Any]) -> dict[str, Any]:
    """What there is with what changed; locks the row."""
    merged = _find(project, kind, entity_id, lock=True).properties | changed
    return {name: value for name, value in merged.items() if value is not None}


def _pending(
    project: Project, positions: Sequence[Position], hidden_of: Mapping[str, bool], is_waited_for: bool
) -> tuple[str, ...]:
    """What is to vanish is always waited for; all else is found a moment later, unless somebody wants to know."""
    return replicas_behind(project, positions) if is_waited_for or any(hidden_of.values()) else ()


def _reader(project: Project, kind: Kind, entity_id: str) -> Callable[[bool], Entity | None]:
    return lambda lock: _row(project, kind, entity_id, lock=lock)


def _row(project: Project, kind: Kind, entity_id: str, *, lock: bool) -> Entity | None:
    rows = MODEL_OF[kind]._default_manager.filter(project=project, external_id=entity_id)
    found: Entity | None = (rows.select_for_update() if lock else rows).first()
    return found


def _find(project: Project, kind: Kind, entity_id: str, *, lock: bool = False) -> Entity:
    found = _row(project, kind, entity_id, lock=lock)
    if found is None:
        raise NotFound(f"There is no {kind} {shorten(entity_id)}.")
    return found


def _validator(project: Project, kind: Kind) -> PropertyValidator:
    return _validator_of(schema_document(project=project), kind)


def _validator_of(schema: Schema, kind: Kind) -> PropertyValidator:
    return PropertyValidator(schema.users if kind == "user" else schema.items, f"{kind} properties")


def _check_id(kind: Kind, entity_id: str) -> None:
    try:
        check_id(entity_id)
    except BrokenRule as broken:
        raise InvalidDocument(f"{kind} id", [Problem(f"{kind}_id", str(broken), shorten(entity_id))]) from None


def _told(item_id: str, hidden: object) -> dict[str, bool]:
    """What is told of being hidden: nothing, or of the one item."""
    if hidden is UNTOLD:
        return {}
    try:
        return {item_id: check_boolean(hidden)}
    except BrokenRule as broken:
        raise InvalidDocument("item", [Problem("hidden", str(broken), shorten(hidden))]) from None
