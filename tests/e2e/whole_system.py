"""The whole product, started as `make run` starts it, on a data folder and port of its own."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.launcher.data_folder import Running, read_running
from deploy.launcher.environment import ROOT
from deploy.launcher.ports import free_port

START_PATIENCE_S = 480.0
STOP_PATIENCE_S = 180.0
# Every test has projects of its own: of quiet ones the joiners make room, and each online run has a trainer.
ROOM = {"FRESHET_JOINER_CONCURRENCY": "12", "FRESHET_TRAINER_CONCURRENCY": "8"}
OURS = ("DATABASE_URL", "REDIS_URL", "TEST_", "FRESHET_", "DJANGO_", "PORT", "HOST_ADDRESS", "PYTEST_")


@dataclass(frozen=True)
class WholeSystem:
    base_url: str
    username: str
    password: str
    logs: Path
    log_url: str
    environment: Mapping[str, str]
    """What a command needs to work on this system."""


@contextmanager
def whole_system(folder: Path) -> Iterator[WholeSystem]:
    """Started without the demo, with one account; stopped at the end. Raises `RuntimeError` with the launcher's words."""
    data_dir = folder / "data"
    output = folder / "launcher.log"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | ROOM
    command = [sys.executable, "-m", "deploy.run", "--data-dir", str(data_dir), "--port", str(free_port()), "--no-demo"]
    with output.open("w") as words:
        launcher = subprocess.Popen(command, cwd=ROOT, env=clean, stdout=words, stderr=subprocess.STDOUT)
    try:
        running = _wait(launcher, data_dir, output)
        password = secrets.token_urlsafe(12)
        _create_account(clean | running.environment, "tester", password)
        environment = running.environment
        yield WholeSystem(
            running.base_url, "tester", password, data_dir / "logs", environment["FRESHET_LOG_URL"], environment
        )
    finally:
        launcher.terminate()
        launcher.wait(STOP_PATIENCE_S)


def _wait(launcher: subprocess.Popen[bytes], data_dir: Path, output: Path) -> Running:
    deadline = time.monotonic() + START_PATIENCE_S
    while (running := read_running(data_dir)) is None:
        if launcher.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Freshet did not start:\n{output.read_text()}")
        time.sleep(0.2)
    return running


def _create_account(environment: dict[str, str], username: str, password: str) -> None:
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", username, "--email", ""]
    subprocess.run(
        command, cwd=ROOT, env=environment | {"DJANGO_SUPERUSER_PASSWORD": password}, check=True, capture_output=True
    )
