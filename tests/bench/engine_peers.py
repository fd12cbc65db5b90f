"""Gets what `make bench-engine` compares with: environments of their own for Python's tables, headers for those in C++.

Everything lies in `build/bench-peers`, which git ignores, and is kept for the next run. What cannot be had is answered as a
reason, never dropped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from deploy.launcher.environment import ROOT

FOLDER = ROOT / "build" / "bench-peers"
PYTHON = "3.11"
"""The only version that TFRA's wheel has been seen to work with."""
INSTALL_PATIENCE_S = 1_800
NO_DEPENDENCIES = {"headers"}


class Missing(Exception):
    """A peer that this machine cannot be given; the message says why, in a line."""


@dataclass(frozen=True, slots=True)
class Headers:
    """Folders for CMake by its variable, and why a family is missing by the family's name."""

    folders: dict[str, Path] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def environment(name: str) -> Path:
    """The interpreter that has `requirements/bench-<name>.txt`, installed by hash. Raises Missing."""
    lock = ROOT / "requirements" / f"bench-{name}.txt"
    folder = FOLDER / name
    interpreter = folder / "bin" / "python"
    stamp = folder / ".installed"
    print_ = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == print_:
        return interpreter
    uv = Path(sys.executable).parent / "uv"
    _run([str(uv), "venv", "--quiet", "--clear", "--python", PYTHON, str(folder)])
    dependencies = ["--no-deps"] if name in NO_DEPENDENCIES else []
    _run(
        [
            str(uv),
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            *dependencies,
            "--python",
            str(interpreter),
            "-r",
            str(lock),
        ]
    )
    stamp.write_text(print_)
    return interpreter


def headers() -> Headers:
    """Boost from a wheel; Abseil and libcuckoo from this system or, unpacked aside, from Debian's packages."""
    found = Headers()
    try:
        prefix = environment("headers").parent.parent / "lib" / f"python{PYTHON}" / "site-packages" / "cmeel.prefix"
        found.folders["BENCH_BOOST"] = prefix / "include"
    except Missing as reason:
        found.missing["boost"] = str(reason)
    for family, variable, package, header in (
        ("absl", "BENCH_ABSL", "libabsl-dev", "absl/container/flat_hash_map.h"),
        ("cuckoo", "BENCH_CUCKOO", "libcuckoo-dev", "libcuckoo/cuckoohash_map.hh"),
    ):
        try:
            prefix = _debian_prefix(package, header)
            found.folders[variable] = prefix if family == "absl" else prefix / "include"
        except Missing as reason:
            found.missing[family] = str(reason)
    return found


def _debian_prefix(package: str, header: str) -> Path:
    """The `usr` that has `include/<header>`: the system's, or one unpacked here. Nothing is installed."""
    unpacked = FOLDER / "debian" / package
    for prefix in (Path("/usr"), unpacked / "usr"):
        if (prefix / "include" / header).is_file():
            return prefix
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise Missing(f"{header} is not installed, and without apt-get there is no {package}")
    archives = FOLDER / "debian" / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    try:
        _run(["apt-get", "download", "-q", package], cwd=archives)
    except Missing:
        if os.getuid() != 0:
            raise
        _run(["apt-get", "update", "-q"])
        _run(["apt-get", "download", "-q", package], cwd=archives)
    _run(["dpkg-deb", "--extract", str(max(archives.glob(f"{package}_*.deb"))), str(unpacked)])
    if not (unpacked / "usr" / "include" / header).is_file():
        raise Missing(f"{package} has no {header}")
    return unpacked / "usr"


def _run(command: list[str], cwd: Path = ROOT) -> None:
    """Raises Missing with the last line of what it said."""
    described = " ".join([Path(command[0]).name, *command[1:3]])
    # a company's own certificate authority is in the system's store, not in uv's
    surroundings = os.environ | {"UV_SYSTEM_CERTS": "true"}
    try:
        done = subprocess.run(
            command, cwd=cwd, env=surroundings, capture_output=True, text=True, timeout=INSTALL_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{described}: {error}") from error
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise Missing(f"{described}: {lines[-1] if lines else f'status {done.returncode}'}")
