"""Builds the C++ side of `make bench-engine`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.launcher.environment import ROOT
from tests.bench.engine_peers import Headers

FOLDER = ROOT / "build" / "bench-engine"


@dataclass(frozen=True, slots=True)
class Built:
    """The program, the library that Python loads, and which contestants the program has."""

    program: Path
    reference: Path
    contestants: frozenset[str]


def build(headers: Headers, folder: Path = FOLDER) -> Built:
    """Raises RuntimeError with the compiler's words."""
    tools = Path(sys.executable).parent
    _run(
        [
            str(tools / "cmake"),
            *("-S", str(ROOT / "tests" / "bench" / "engine_cc"), "-B", str(folder), "-G", "Ninja"),
            f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}",
            *(f"-D{variable}={path}" for variable, path in headers.folders.items()),
        ]
    )
    _run([str(tools / "cmake"), "--build", str(folder), "--parallel", "2"])
    program = folder / "bench_engine"
    return Built(program, folder / "libbench_reference.so", frozenset(_run([str(program), "--measure=list"]).split()))


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[:3])}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout
