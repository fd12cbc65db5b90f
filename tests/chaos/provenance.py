"""Where a measured figure comes from."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime

from deploy.launcher.environment import ROOT


def provenance() -> dict[str, object]:
    """The commit, the machine and the command, as every report begins."""
    said = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "commit": said.stdout.strip() or "unknown",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "command": " ".join(["python", *sys.orig_argv[1:]]),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
