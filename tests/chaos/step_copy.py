"""Keeps the steps of a trainer beyond what it needs of them itself, so that another can take them from the first on."""

from __future__ import annotations

import threading
from types import TracebackType

from engine.streams import open_log, topics
from engine.streams.log import Record, StoredRecord
from tests.chaos.lives import MODEL, PROJECT

LOOK_S = 0.05


class StepCopy:
    """`with StepCopy(url) as steps:` reads the steps of version 1 as they are written; `paste` writes them as another version's."""

    def __init__(self, url: str) -> None:
        self._log = open_log(url)
        self._topic = topics.trainer_steps(PROJECT, MODEL, 1)
        self._records: list[StoredRecord] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="step copy")
        self._log.create_topic(self._topic)

    def __enter__(self) -> StepCopy:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()
        self._read()

    @property
    def num_steps(self) -> int:
        """Records, each of one step or of several."""
        return len(self._records)

    def paste(self, version: int) -> None:
        topic = topics.trainer_steps(PROJECT, MODEL, version)
        self._log.create_topic(topic)
        records = [Record(each.key, each.value, each.timestamp_ms) for each in self._records]
        for first in range(0, len(records), 500):
            self._log.append(topic, records[first : first + 500])
        self._log.close()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            self._read()

    def _read(self) -> None:
        offset = self._records[-1].offset + 1 if self._records else 0
        while found := self._log.read(self._topic, 0, offset):
            self._records += found
            offset = found[-1].offset + 1
