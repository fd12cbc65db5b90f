"""What the database needs before the first process starts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deploy.launcher.environment import ROOT
from deploy.launcher.errors import StartError


@dataclass(frozen=True)
class Demo:
    """What was made for a person to begin with; the password and the key are stored hashed and shown once.

    Without the demo project, `api_key` and `project` are empty.
    """

    username: str
    password: str
    api_key: str
    project: str
    user_id: str


def _run(arguments: Sequence[str], environment: Mapping[str, str], what: str) -> str:
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise StartError("\n".join([f"{what} failed:", *(f"  {line}" for line in said[-8:])]))
    return done.stdout


def migrate(environment: Mapping[str, str]) -> None:
    """Brings the tables to this version. Raises StartError with the database's words."""
    _run(["manage.py", "migrate", "--no-input", "-v", "0"], environment, "Preparing the database (DATABASE_URL)")


def create_demo(environment: Mapping[str, str], *, account_only: bool) -> Demo | None:
    """Makes the demo project when there is no project at all, or only an account when there is none; else None."""
    arguments = ["-m", "workers.demo", "create", "--json", *(["--account-only"] if account_only else [])]
    output = _run(arguments, environment, "Making the first account" if account_only else "Making the demo project")
    made = json.loads(output.strip().splitlines()[-1])
    if not made.get("created"):
        return None
    return Demo(made["username"], made["password"], made["api_key"], made["project"], made["user_id"])


def has_demo(environment: Mapping[str, str]) -> bool:
    """Whether the demo project is there, so that its stream has somewhere to go."""
    return _run(["-m", "workers.demo", "exists"], environment, "Looking for the demo project").strip() == "yes"
