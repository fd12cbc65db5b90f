"""A Kafka broker that is started again when it was killed."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

from deploy.kafka.broker import Kafka

LOOK_S = 0.5


class KeptBroker:
    """`with KeptBroker(folder) as broker:`; the address and the data stay the same over deaths."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._broker = Kafka(folder, log=folder / "broker.log")
        self._stopping = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="kept-broker")

    def __enter__(self) -> KeptBroker:
        self._broker.start()
        self._keeper.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._keeper.join()
        self._broker.stop()

    @property
    def bootstrap_servers(self) -> str:
        return self._broker.bootstrap_servers

    def pid(self) -> int | None:
        """None while it is dead."""
        process = self._broker.process
        return process.pid if process is not None and process.poll() is None else None

    def _keep(self) -> None:
        while not self._stopping.wait(LOOK_S):
            if self.pid() is None:
                self._broker.start()
