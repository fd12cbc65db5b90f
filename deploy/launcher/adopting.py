"""How a command finds the system that `make run` started."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

from deploy.launcher.data_folder import read_running
from deploy.launcher.environment import ROOT


def adopt_running_system(environment: MutableMapping[str, str]) -> None:
    """Adds the addresses of the system running on the data folder, unless the environment names a database itself."""
    if environment.get("DATABASE_URL"):
        return
    data_dir = Path(environment.get("FRESHET_DATA_DIR") or ROOT / ".freshet").expanduser().resolve()
    running = read_running(data_dir)
    if running is not None:
        for name, value in running.environment.items():
            environment.setdefault(name, value)
