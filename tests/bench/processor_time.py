"""How much processor time each kind of process took: a figure that other work on the machine spoils least."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

KINDS: Mapping[str, tuple[str, ...]] = {
    "web": ("uvicorn", "multiprocessing"),
    "replica": ("workers.replica",),
    "joiner": ("workers joiner",),
    "database": ("postgres",),
    "kafka": ("kafka.Kafka",),
    "load": ("tests.bench.http_load",),
    "publisher": ("tests.bench.recommend_publisher",),
}
"""A process is of the first kind one of whose words is in its command line; "other" are those of none."""


def processor_seconds(roots: list[int]) -> dict[str, float]:
    """Seconds by kind, of these processes and everything they started; "client" is this process alone."""
    parents, commands, seconds = _processes()
    found: dict[str, float] = {}
    for process in parents:
        if process == os.getpid():
            found["client"] = seconds[process]
        elif _is_under(process, roots, parents):
            kind = _kind(commands[process])
            found[kind] = found.get(kind, 0.0) + seconds[process]
    return found


def commands_under(roots: list[int]) -> dict[int, str]:
    """The command line of these processes and of everything they started, by process id."""
    parents, commands, _ = _processes()
    return {process: command for process, command in commands.items() if _is_under(process, roots, parents)}


def _processes() -> tuple[dict[int, int], dict[int, str], dict[int, float]]:
    ticks = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    seconds: dict[int, float] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has just ended
            continue
        process = int(folder.name)
        parents[process], commands[process] = int(fields[1]), command
        # its own, and that of children who have ended: PostgreSQL's come and go with connections
        counted = fields[11:13] if process == os.getpid() else fields[11:15]
        seconds[process] = sum(map(int, counted)) / ticks
    return parents, commands, seconds


def _is_under(process: int, roots: list[int], parents: Mapping[int, int]) -> bool:
    while process > 1:
        if process in roots:
            return True
        process = parents.get(process, 0)
    return False


def _kind(command: str) -> str:
    return next((kind for kind, words in KINDS.items() if any(word in command for word in words)), "other")
