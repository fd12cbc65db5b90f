"""`make run`: start Freshet on this machine, watch it, and stop it cleanly on Ctrl-C.

Run as `python -m deploy.run`; `--help` lists what it can be told.
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

from deploy.launcher import options
from deploy.launcher.errors import StartError
from deploy.launcher.system import System
from deploy.launcher.terminal import Terminal


def main() -> int:
    """0 after a stop that was asked for, 1 when something was in the way."""
    terminal = Terminal()
    stopping = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        terminal.write("\n" if not stopping.is_set() else "still stopping ...\n")
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    try:
        System(options.parse(), terminal, stopping).run()
    except StartError as error:
        sys.stderr.write(f"\nFreshet cannot run. {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
