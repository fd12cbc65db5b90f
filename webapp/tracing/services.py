"""What workers note as they go, how often a trainer is to publish, and what is forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.core.errors import Invalid
from webapp.registry.models import ModelVersion
from webapp.tracing import storage
from webapp.tracing.models import JoinerHistory, ReplicaHistory, Resync, SyncPace, TrainerHistory

KEPT = timedelta(days=1)
RESYNCS_KEPT = timedelta(days=30)
MAX_DETAIL_CHARACTERS = 1000
SHORTEST_S, LONGEST_S = 0.2, 300.0
"""A replica gives up waiting for a canary after 900 s, so that longer waits could not be measured."""


@dataclass(frozen=True, slots=True)
class ResyncNote:
    """A replica loaded a snapshot; see `Resync`."""

    cause: str
    at_ms: int
    from_sequence: int
    to_sequence: int
    detail: str = ""


def joiner_note(*, project: Project, marks: Sequence[tuple[int, Mapping[int, int]]]) -> None:
    """The joiner was so far: (ms since 1970, partition -> next offset of `events`), oldest first."""
    rows: dict[datetime, list[Any]] = {}
    for at_ms, places in marks:
        rows.setdefault(storage.row_of(at_ms), []).append([at_ms, dict(places)])
    for row, of_row in rows.items():
        storage.write_joiner(project.pk, row, of_row)


def publish_note(
    *,
    model_version: ModelVersion,
    at_ms: int,
    sequences: Sequence[int],
    num_rows: int,
    num_deletes: int,
    num_bytes: int,
    examples_through: Mapping[int, int],
    rows_by_slot: Mapping[int, int],
    learned: Sequence[tuple[int, Mapping[int, int]]] = (),
) -> None:
    """The trainer published these sequences, after learning every example before `examples_through` (partition -> next offset).

    `learned`: when it had come how far since the last publish, (ms since 1970, partition -> next offset), oldest first.
    """
    mark = {
        "at_ms": at_ms,
        "first": sequences[0],
        "last": sequences[-1],
        "rows": num_rows,
        "deletes": num_deletes,
        "bytes": num_bytes,
        "examples": dict(examples_through),
    }
    steps = [[one_ms, dict(places)] for one_ms, places in learned]
    storage.write_publish(model_version.pk, mark, rows_by_slot, steps)


def replica_note(
    *,
    model_version: ModelVersion,
    replica: str,
    at_ms: int,
    reached: Sequence[tuple[int, int]],
    resyncs: Sequence[ResyncNote],
    sequence: int,
    num_behind: int,
    age_s: float | None,
    num_rows_applied: int,
    num_bytes_applied: int,
    verified_sequence: int,
) -> None:
    """Where a replica stands now, and what it reached since the last call: (ms since 1970, sequence); rows and bytes are since then too."""
    marks = [[one_ms, one] for one_ms, one in reached]
    storage.write_replica(
        model_version.pk,
        replica,
        storage.row_of(at_ms),
        sequence,
        num_behind,
        None if age_s is None else round(age_s, 3),
        (num_rows_applied, num_bytes_applied),
        verified_sequence,
        marks,
    )
    Resync.objects.bulk_create(_resync(model_version, replica, one) for one in resyncs)


def pace_set(*, model_version: ModelVersion, interval_s: float, by: str = "") -> SyncPace:
    """Have whoever trains the version publish this often, from within a second on and after restarts too. Raises `Invalid`."""
    if not SHORTEST_S <= interval_s <= LONGEST_S:
        raise Invalid.field("interval_s", f"must be {SHORTEST_S:g} to {LONGEST_S:g} seconds", f"{interval_s:g}")
    with transaction.atomic():
        pace, _ = SyncPace.objects.update_or_create(
            model_version=model_version, defaults={"interval_s": interval_s, "set_by": by[:150]}
        )
        _recorded(model_version, "sync_pace_set", {"interval_s": interval_s})
    return pace


def pace_clear(*, model_version: ModelVersion) -> None:
    """Publish as often as the definition says."""
    with transaction.atomic():
        num_deleted, _ = SyncPace.objects.filter(model_version=model_version).delete()
        if num_deleted:
            _recorded(model_version, "sync_pace_cleared", {})


def history_prune() -> int:
    """Forget what is older than `KEPT`, and resyncs older than `RESYNCS_KEPT`; answers how many rows."""
    num_deleted = Resync.objects.filter(at__lt=Now() - RESYNCS_KEPT).delete()[0]
    for history in (JoinerHistory, TrainerHistory, ReplicaHistory):
        num_deleted += history.objects.filter(at__lt=Now() - KEPT).delete()[0]
    return num_deleted


def _recorded(model_version: ModelVersion, action: str, details: Mapping[str, Any]) -> None:
    audit_record(project=model_version.model.project, action=action, target=str(model_version), details=details)


def _resync(model_version: ModelVersion, replica: str, one: ResyncNote) -> Resync:
    return Resync(
        model_version=model_version,
        replica=replica,
        at=datetime.fromtimestamp(one.at_ms / 1000, UTC),
        cause=one.cause,
        from_sequence=one.from_sequence,
        to_sequence=one.to_sequence,
        detail=one.detail[:MAX_DETAIL_CHARACTERS].replace("\x00", ""),
    )
