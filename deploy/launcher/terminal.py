"""Lines for the person at the terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable

from deploy.launcher.database import Demo


class Terminal:
    """Progress lines with the seconds since the start. A terminal that is gone does not stop a stop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()

    def step(self, text: str) -> None:
        self.write(f"[freshet {self._clock() - self._started:5.1f}s] {text}\n")

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(text)
            sys.stdout.flush()


def welcome(base_url: str, data_dir: str, demo: Demo | None) -> str:
    """The block shown once everything answers."""
    lines = ["", "  Freshet runs.", "", f"  console   {base_url}/"]
    if demo is not None:
        lines += [
            f"  sign in   {demo.username}  /  {demo.password}",
            *([f"  API key   {demo.api_key}     (project {demo.project})"] if demo.api_key else []),
            "            Shown this once; only hashes are kept. A new password: make password ARGS=" + demo.username,
        ]
    else:
        lines.append("  sign in   with your account (a new password: make password ARGS=<name>)")
    lines += [
        "",
        "  Try it    Sign in, open the project, then Try it: recommend for a user, click an item, see it change.",
    ]
    if demo is not None and demo.api_key:
        lines += [
            "  Or        curl -s -H 'Authorization: Bearer "
            + demo.api_key
            + "' -H 'Content-Type: application/json' \\",
            f'              -d \'{{"user_id": "{demo.user_id}", "k": 5}}\' {base_url}/api/v1/recommend',
        ]
    lines += [
        f"  API       {base_url}/api/v1/docs/",
        f"  data      {data_dir}  (logs in logs/)",
        "",
        "  Ctrl-C stops everything; the data stays.",
        "",
    ]
    return "\n".join(lines) + "\n"
