"""Tells the log how far the newest checkpoint has read, so that lag can be seen from outside."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from engine.errors import LogError
from engine.streams.log import EventLog

logger = logging.getLogger(__name__)


class SavedOffsets:
    """Commits a consumer group's offsets of one topic. Nobody starts from them: a restart reads them in the checkpoint."""

    def __init__(self, log: EventLog, topic: str, group: str) -> None:
        self._log = log
        self._topic = topic
        self._group = group
        self._committed: dict[int, int] = {}

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Unless that was the last thing said. A log that does not answer is told at the next checkpoint."""
        if dict(offsets) == self._committed:
            return
        try:
            self._log.commit(self._group, self._topic, offsets)
        except LogError as error:
            logger.warning("offsets of %s were not committed: %s", self._topic, error)
        self._committed = dict(offsets)
