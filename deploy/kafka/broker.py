"""One Apache Kafka broker in KRaft mode, its own controller, on loopback: for tests, measurements and a first look."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from deploy.kafka import jars
from deploy.launcher import child
from deploy.launcher.errors import StartError
from deploy.launcher.ports import free_port

START_PATIENCE_S = 120.0
STOP_PATIENCE_S = 30.0
HEAP = "384m"
CLUSTER_ID = "RnJlc2hldC1Mb29wYmFjaw"  # any 16 bytes in base64; a storage folder belongs to one cluster
LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")


class Kafka:
    """One broker on one storage folder, which it formats at its first start and finds again at the next.

    `port` 0 takes a free one. `protocol` is the clients' (PLAINTEXT, SASL_SSL, ...); `settings` are added to the broker's
    own, or go before them. An append survives the broker's death but not the machine's: that takes replicas.
    """

    def __init__(
        self,
        folder: Path,
        *,
        log: Path,
        port: int = 0,
        heap: str = HEAP,
        protocol: str = "PLAINTEXT",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.log = log
        self.port = port or free_port()
        self.heap = heap
        self.protocol = protocol
        self._settings = dict(settings or {})
        self._controller_port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self._process

    def start(self) -> None:
        """Formats the folder when it is new, starts the broker and returns when it takes connections. Raises `StartError`."""
        java, class_path = jars.java(), jars.class_path()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self.folder / "server.properties"
        configuration.touch(mode=0o600)  # `settings` may have passwords
        configuration.write_text(self._configuration())
        if not (self.folder / "data" / "meta.properties").exists():
            self._format(java, class_path, configuration)
        self._process = child.spawn(
            [*self._java(java, class_path), "kafka.Kafka", str(configuration)],
            log=self.log,
            environment=self._environment(),
            folder=self.folder,
        )
        self._wait_until_it_listens()

    def stop(self) -> None:
        """The broker closes its files and goes."""
        if self._process is not None:
            child.stop(self._process, signal.SIGTERM, patience_s=STOP_PATIENCE_S)

    def kill(self) -> None:
        """As a crash would: no file is closed. `start` finds the folder as it was left."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _java(self, java: str, class_path: str) -> list[str]:
        tuning = [f"-Xmx{self.heap}", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return [
            java,
            *tuning,
            "-Djava.awt.headless=true",
            f"-Dlog4j2.configurationFile={LOG_SETTINGS}",
            "-cp",
            class_path,
        ]

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "HOME": str(self.folder)}

    def _format(self, java: str, class_path: str, configuration: Path) -> None:
        words = ["format", "--cluster-id", CLUSTER_ID, "--config", str(configuration), "--ignore-formatted"]
        answered = subprocess.run(  # noqa: S603 - our own command
            [*self._java(java, class_path), "kafka.tools.StorageTool", *words],
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=START_PATIENCE_S,
            check=False,
        )
        if answered.returncode != 0:
            raise StartError(f"Kafka's storage could not be formatted: {(answered.stderr or answered.stdout)[-800:]}")

    def _configuration(self) -> str:
        settings: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"CLIENTS://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"CLIENTS://127.0.0.1:{self.port}",
            "inter.broker.listener.name": "CLIENTS",
            "listener.security.protocol.map": f"CLIENTS:{self.protocol},CONTROLLER:PLAINTEXT",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": 1,
            "offsets.retention.minutes": 60 * 24 * 365,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.dedupe.buffer.size": 8 * 2**20,
            "num.network.threads": 2,
            "num.io.threads": 2,
        } | self._settings
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _wait_until_it_listens(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    end = "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
                    raise StartError(f"Kafka did not start ({error}). The end of {self.log}:\n{end}") from None
                time.sleep(0.1)
            else:
                return
