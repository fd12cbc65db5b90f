"""Marks into rows of ten seconds, one statement each: a row that is there already takes them at its end.

A process that dies and its successor write into the same row, so the database adds up and not the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db import connection

from webapp.tracing.models import ROW_S

_JOINER = """
INSERT INTO tracing_joinerhistory AS kept (project_id, at, marks) VALUES (%s, %s, %s::jsonb)
ON CONFLICT (project_id, at) DO UPDATE SET marks = kept.marks || EXCLUDED.marks
"""

_TRAINER = """
INSERT INTO tracing_trainerhistory AS kept
    (model_version_id, at, sequence, num_rows, num_deletes, num_bytes, rows_by_slot, steps, marks)
VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s::jsonb)
ON CONFLICT (model_version_id, at) DO UPDATE SET
    sequence = GREATEST(kept.sequence, EXCLUDED.sequence),
    num_rows = kept.num_rows + EXCLUDED.num_rows,
    num_deletes = kept.num_deletes + EXCLUDED.num_deletes,
    num_bytes = kept.num_bytes + EXCLUDED.num_bytes,
    rows_by_slot = COALESCE((
        SELECT jsonb_object_agg(slot, num) FROM (
            SELECT slot, sum(num::bigint) AS num FROM (
                SELECT * FROM jsonb_each_text(kept.rows_by_slot)
                UNION ALL SELECT * FROM jsonb_each_text(EXCLUDED.rows_by_slot)
            ) AS both_rows (slot, num) GROUP BY slot
        ) AS added), '{}'::jsonb),
    steps = kept.steps || EXCLUDED.steps,
    marks = kept.marks || EXCLUDED.marks
"""

_REPLICA = """
INSERT INTO tracing_replicahistory AS kept
    (model_version_id, replica, at, sequence, num_behind, age_s, num_rows_applied, num_bytes_applied, verified_sequence, marks)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb)
ON CONFLICT (model_version_id, replica, at) DO UPDATE SET
    sequence = EXCLUDED.sequence,
    num_behind = GREATEST(kept.num_behind, EXCLUDED.num_behind),
    age_s = GREATEST(kept.age_s, EXCLUDED.age_s),
    num_rows_applied = kept.num_rows_applied + EXCLUDED.num_rows_applied,
    num_bytes_applied = kept.num_bytes_applied + EXCLUDED.num_bytes_applied,
    verified_sequence = GREATEST(kept.verified_sequence, EXCLUDED.verified_sequence),
    marks = kept.marks || EXCLUDED.marks
"""


def row_of(at_ms: int) -> datetime:
    """When the ten seconds began in which this moment lies."""
    return datetime.fromtimestamp(at_ms // 1000 // ROW_S * ROW_S, UTC)


def write_joiner(project_id: int, row: datetime, marks: Sequence[Any]) -> None:
    _execute(_JOINER, [project_id, row, _json(marks)])


def write_publish(
    model_version_id: int, mark: Mapping[str, Any], rows_by_slot: Mapping[int, int], steps: Sequence[Any]
) -> None:
    """`mark` and `steps`: see `TrainerHistory`."""
    slots = {str(slot): num for slot, num in rows_by_slot.items()}
    counts = [mark["last"], mark["rows"], mark["deletes"], mark["bytes"]]
    row = row_of(mark["at_ms"])
    _execute(_TRAINER, [model_version_id, row, *counts, _json(slots), _json(steps), _json([mark])])


def write_replica(  # noqa: PLR0917 - the columns
    model_version_id: int,
    replica: str,
    row: datetime,
    sequence: int,
    num_behind: int,
    age_s: float | None,
    applied: tuple[int, int],
    verified_sequence: int,
    marks: Sequence[Any],
) -> None:
    """`applied`: rows and bytes since the last call."""
    values = [model_version_id, replica, row, sequence, num_behind, age_s, *applied, verified_sequence]
    _execute(_REPLICA, [*values, _json(marks)])


def _execute(statement: str, values: Sequence[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
