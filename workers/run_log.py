"""What a run's worker logs, kept for the run's page. A worker's child has one run, so that all its lines are that run's."""

from __future__ import annotations

import logging
import traceback
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.db import Error as DjangoDatabaseError

from webapp.training.run_log import MAX_LINES, Line, run_log_append
from workers.fresh_connection import drop_broken_connection


class RunLog(logging.Handler):
    """Holds lines until `save`, from whatever thread they come; of more than a run keeps, the oldest go."""

    def __init__(self, run_id: int) -> None:
        super().__init__(logging.INFO)
        self._run_id = run_id
        self._waiting: deque[Line] = deque(maxlen=MAX_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[0] is not None:
                message += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
            at = datetime.fromtimestamp(record.created, UTC)
            self._waiting.append(Line(at, record.levelno, record.name, message))
        except Exception:
            self.handleError(record)

    def save(self) -> None:
        """Write what waits; while the database is away it goes on waiting. For the thread that trains."""
        lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not lines:
            return
        try:
            drop_broken_connection()
            run_log_append(run_id=self._run_id, lines=lines)
        except DjangoDatabaseError:
            self._waiting.extendleft(reversed(lines))


@contextmanager
def kept_log(run_id: int) -> Iterator[RunLog]:
    """Everything this process logs while the block runs is the run's."""
    log, root = RunLog(run_id), logging.getLogger()
    root.addHandler(log)
    try:
        yield log
    finally:
        root.removeHandler(log)
        log.save()
