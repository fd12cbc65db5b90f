"""The whole product on a data folder of its own, started as a person starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from deploy.launcher.data_folder import Running, read_running
from deploy.launcher.environment import ROOT
from deploy.launcher.ports import free_port

START_PATIENCE_S = 240.0
STOP_PATIENCE_S = 180.0
GIVEN_BY_OTHERS = ("DATABASE_URL", "REDIS_URL", "FRESHET_LOG_URL", "FRESHET_DATA_DIR", "PORT", "HOST_ADDRESS")


class Product:
    """`with Product(folder) as product:` runs it; its output is in `<folder>/launcher.log`."""

    def __init__(self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """`environment` is added to this process's own."""
        self.data_dir = folder / "data"
        self.output = folder / "launcher.log"
        self.port = free_port()
        self._arguments = arguments
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Product:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> Running:
        running = read_running(self.data_dir)
        assert running is not None, self.output.read_text()
        return running

    def start(self) -> None:
        """Returns when the console answers. Raises RuntimeError with the launcher's output when it gives up."""
        own = {name: value for name, value in os.environ.items() if name not in GIVEN_BY_OTHERS}
        environment = own | self._environment
        command = [sys.executable, "-m", "deploy.run", "--data-dir", str(self.data_dir), "--port", str(self.port)]
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [*command, *self._arguments], cwd=ROOT, env=environment, stdout=output, stderr=output
            )
        deadline = time.monotonic() + START_PATIENCE_S
        while read_running(self.data_dir) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the product did not start:\n{self.output.read_text()}")
            time.sleep(0.1)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """As Ctrl-C does. Answers the launcher's exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(STOP_PATIENCE_S)

    def kill(self) -> None:
        """As a power cut does to the launcher alone: no chance to stop anything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
