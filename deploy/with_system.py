"""Run a command on a running Freshet: the one on the data folder, or one started for it on a folder of its own.

`python -m deploy.with_system -- command ...`; the command sees DATABASE_URL, REDIS_URL, FRESHET_DATA_DIR and
FRESHET_BASE_URL.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.launcher import options
from deploy.launcher.data_folder import Running, read_running
from deploy.launcher.environment import ROOT
from deploy.launcher.ports import free_port

START_PATIENCE_S = 300.0
STOP_PATIENCE_S = 180.0


def _call(command: Sequence[str], running: Running) -> int:
    return subprocess.run(list(command), env={**os.environ, **running.environment}, check=False).returncode  # noqa: S603


def _call_on_own(command: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="freshet-", ignore_cleanup_errors=True) as folder:
        data_dir = Path(folder) / "data"
        sys.stdout.write("Nothing runs; starting a system for this command, with the demo project.\n")
        sys.stdout.flush()
        arguments = ["--data-dir", str(data_dir), "--port", str(free_port())]
        clean = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        launcher = subprocess.Popen([sys.executable, "-m", "deploy.run", *arguments], cwd=ROOT, env=clean)  # noqa: S603
        try:
            deadline = time.monotonic() + START_PATIENCE_S
            while (running := read_running(data_dir)) is None:
                if launcher.poll() is not None or time.monotonic() > deadline:
                    return 1
                time.sleep(0.2)
            return _call(command, running)
        finally:
            launcher.terminate()
            launcher.wait(STOP_PATIENCE_S)


def main() -> int:
    """The command's own exit code; 1 when no system could be started."""
    parser = argparse.ArgumentParser(prog="python -m deploy.with_system", description=__doc__)
    parser.add_argument("command", nargs="+")
    command = parser.parse_args().command
    running = read_running(options.parse([]).data_dir)
    return _call(command, running) if running is not None else _call_on_own(command)


if __name__ == "__main__":
    sys.exit(main())
