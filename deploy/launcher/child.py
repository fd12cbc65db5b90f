"""Child processes that end when the launcher ends, however it ends."""

from __future__ import annotations

import ctypes
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Makes this process the parent of its descendants whose own parent died, so that none escapes the stop."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _signal_on_parent_death(number: signal.Signals) -> Callable[[], None]:
    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)

    return prepare


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    folder: Path,
    user: str | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Starts `command` in a session of its own (a Ctrl-C at the terminal does not reach it), its output added to `log`.

    `death_signal` is what the kernel sends it when the launcher dies without stopping it. The launcher's main thread
    must be the caller: the kernel counts the death of the calling thread.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the commands are ours
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            start_new_session=True,
            preexec_fn=_signal_on_parent_death(death_signal),  # noqa: PLW1509 - before any thread is started
        )


def stop(process: subprocess.Popen[bytes], number: signal.Signals, *, patience_s: float) -> bool:
    """Asks with `number`, kills after `patience_s`. False when it had to be killed."""
    if process.poll() is not None:
        return True
    process.send_signal(number)
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True
