"""A run's own log: what its worker said, bounded; written by the worker, tailed by the page."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from webapp.training.models import Run
from webapp.training.run_models import RunLogLine

MAX_LINES: Final = 2_000
MAX_MESSAGE: Final = 4_000
LINES_SHOWN: Final = 200
LEVELS: Final = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
"""What the page's filter offers; each shows what is as grave or graver."""

_FORGET = """
DELETE FROM training_runlogline WHERE run_id = %s AND id <= (
    SELECT id FROM training_runlogline WHERE run_id = %s ORDER BY id DESC OFFSET %s LIMIT 1
)
"""


@dataclass(frozen=True, slots=True)
class Line:
    """As `RunLogLine` keeps it."""

    at: datetime
    level: int
    logger: str
    message: str


def run_log_append(*, run_id: int, lines: Sequence[Line]) -> None:
    """Keep the lines behind those that are there; of the run's lines the newest `MAX_LINES` stay. Of a long message its ends stay."""
    RunLogLine.objects.bulk_create(
        RunLogLine(
            run_id=run_id, at=line.at, level=line.level, logger=line.logger[:120], message=_bounded(line.message)
        )
        for line in lines[-MAX_LINES:]
    )
    with connection.cursor() as cursor:
        cursor.execute(_FORGET, [run_id, run_id, MAX_LINES])


def run_log(*, run: Run, level: int = logging.INFO, before_id: int | None = None) -> list[RunLogLine]:
    """At most `LINES_SHOWN` lines as grave as `level` or graver, oldest first: the newest, or those before `before_id`."""
    lines = RunLogLine.objects.filter(run=run, level__gte=level)
    if before_id is not None:
        lines = lines.filter(id__lt=before_id)
    return list(lines.order_by("-id")[:LINES_SHOWN])[::-1]


def run_log_after(*, run: Run, after_id: int, level: int = logging.INFO) -> list[RunLogLine]:
    """At most `LINES_SHOWN` lines behind `after_id`, oldest first."""
    return list(RunLogLine.objects.filter(run=run, level__gte=level, id__gt=after_id).order_by("id")[:LINES_SHOWN])


def level_of(name: str) -> int:
    """The level that a page's filter names; everything for what is no name of one."""
    return LEVELS.get(name, logging.INFO)


def _bounded(message: str) -> str:
    message = message.replace("\x00", "�")
    if len(message) <= MAX_MESSAGE:
        return message
    half = MAX_MESSAGE // 2 - 20
    return f"{message[:half]}\n… {len(message) - 2 * half} characters left out …\n{message[-half:]}"
