"""`make stop`: ask the Freshet that runs on a data folder to stop, and wait until it has."""

from __future__ import annotations

import os
import signal
import sys
import time

from deploy.launcher import options
from deploy.launcher.data_folder import read_running

PATIENCE_S = 180.0


def main() -> int:
    """0 when nothing runs any more, 1 when it still does."""
    data_dir = options.parse().data_dir
    running = read_running(data_dir)
    if running is None:
        sys.stdout.write(f"Nothing runs on {data_dir}.\n")
        return 0
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while read_running(data_dir) is not None:
        if time.monotonic() > deadline:
            sys.stderr.write(f"Process {running.pid} still runs on {data_dir}.\n")
            return 1
        time.sleep(0.2)
    sys.stdout.write("stopped\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
