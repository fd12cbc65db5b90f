"""`reports/<name>.json`: what a measuring command found, with the commit, the machine and the command that found it."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings


def write_report(name: str, values: Mapping[str, Any], *, started_at: datetime) -> Path:
    """Write flat `values` beside `commit`, `machine`, `command` and `started_at`. Raises OSError."""
    folder: Path = settings.BASE_DIR / "reports"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.json"
    described = {
        "commit": _commit(settings.BASE_DIR),
        "machine": _machine(),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "started_at": started_at.isoformat(timespec="seconds"),
    }
    path.write_text(json.dumps({**described, **values}, indent=2) + "\n")
    return path


def _commit(folder: Path) -> str:
    """The commit's hash, with a `+` when files differ from it; empty outside a repository."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
