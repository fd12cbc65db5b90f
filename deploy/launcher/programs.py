"""Which processes make a running Freshet, and supervisord's configuration for them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.launcher.environment import ROOT
from deploy.launcher.options import Options

LOG_BYTES = 10 * 2**20
NUM_OLD_LOGS = 3
_MAX_SOCKET_PATH_BYTES = 100


@dataclass(frozen=True)
class Program:
    """`priority`: started in rising order; all are stopped at once. `stop_s`: patience before a kill.

    `num_processes` of it run, `<name>-1` and so on where there are several. `socket` is an address (IPv4) that the supervisor listens at
    for all of them: each finds it as its standard input.
    """

    name: str
    arguments: tuple[str, ...]
    priority: int
    stop_s: int = 15
    num_processes: int = 1
    socket: str = ""

    @property
    def process_names(self) -> list[str]:
        if self.num_processes == 1:
            return [self.name]
        return [f"{self.name}-{number}" for number in range(1, self.num_processes + 1)]


def _worker(process: str, priority: int, stop_s: int = 15) -> Program:
    name = process if process == "beat" else f"worker-{process}"
    return Program(name, ("-m", "workers", process), priority, stop_s)


def programs(options: Options, *, has_stream: bool) -> list[Program]:
    """Every process of one machine, `sys.executable` being their first word."""
    chosen = [
        _web(options),
        _worker("periodic", priority=20),
        _worker("jobs", priority=30, stop_s=30),
        _worker("joiner", priority=30, stop_s=30),
        _worker("trainer", priority=30, stop_s=60),
        _worker("beat", priority=40),
    ]
    for number in range(1, options.num_replicas + 1):
        chosen.append(
            Program(f"replica-{number}", ("-m", "workers.replica", "--name", f"replica-{number}"), priority=25)
        )
    if has_stream:
        chosen.append(Program("demo-stream", ("-m", "workers.demo", "stream"), priority=50))
    return chosen


def _web(options: Options) -> Program:
    """Two at least: while one of them comes back the other answers."""
    words: tuple[str, ...] = ("-m", "deploy.uvicorn_web")
    num = 2
    if ":" in options.host:
        words = (*words, "--host", options.host.strip("[]"), "--port", str(options.port))
        return Program("web", words, priority=10, num_processes=num)
    socket = f"tcp://{options.host}:{options.port}"
    return Program("web", (*words, "--socket", "0"), priority=10, num_processes=num, socket=socket)


def supervisor_socket(run_folder: Path) -> Path | None:
    """Where supervisord can be asked; None when the folder's path is too long for a socket."""
    path = run_folder / "supervisor.sock"
    return path if len(os.fsencode(path)) <= _MAX_SOCKET_PATH_BYTES else None


def configuration(chosen: Sequence[Program], *, run_folder: Path, logs: Path) -> str:
    """The text of supervisord.conf. Holds no secret: processes inherit the environment."""
    sections = [_supervisord(run_folder, logs)]
    socket = supervisor_socket(run_folder)
    if socket is not None:
        sections.append(_control(socket))
    sections += [_program(program, logs) for program in chosen]
    sections.append(_group(chosen))
    return "\n".join(sections)


def _quoted(value: object) -> str:
    """A value as supervisord reads it: `%` starts an expansion there."""
    return str(value).replace("%", "%%")


def _supervisord(run_folder: Path, logs: Path) -> str:
    as_root = "user=root\n" if os.geteuid() == 0 else ""
    return f"""[supervisord]
nodaemon=true
{as_root}directory={_quoted(ROOT)}
logfile={_quoted(logs / "supervisord.log")}
logfile_maxbytes={LOG_BYTES}
logfile_backups={NUM_OLD_LOGS}
pidfile={_quoted(run_folder / "supervisord.pid")}
childlogdir={_quoted(logs)}
"""


def _control(socket: Path) -> str:
    return f"""[unix_http_server]
file={_quoted(socket)}
chmod=0700

[supervisorctl]
serverurl=unix://{_quoted(socket)}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""


def _group(chosen: Sequence[Program]) -> str:
    """supervisord stops one group after the other, and every program that is in none is a group of its own.

    One with a socket must be: in a group with others it would not get it.
    """
    return f"[group:freshet]\nprograms={','.join(program.name for program in chosen if not program.socket)}\n"


def _program(program: Program, logs: Path) -> str:
    words = " ".join(
        f'"{_quoted(word) if word == sys.executable else word}"' for word in (sys.executable, *program.arguments)
    )
    name, section, socket = program.name, "program", ""
    if program.num_processes > 1:
        name = f"{program.name}-%(process_num)d"
    if program.socket:
        section, socket = "fcgi-program", f"socket={_quoted(program.socket)}\n"
    return f"""[{section}:{program.name}]
{socket}process_name={name}
numprocs={program.num_processes}
numprocs_start=1
command={words}
directory={_quoted(ROOT)}
priority={program.priority}
autorestart=true
startsecs=5
startretries=1000000
stopsignal=TERM
stopwaitsecs={program.stop_s}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={_quoted(logs)}/{name}.log
stdout_logfile_maxbytes={LOG_BYTES}
stdout_logfile_backups={NUM_OLD_LOGS}
"""
