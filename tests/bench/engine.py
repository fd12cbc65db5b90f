"""`make bench-engine`: Freshet's table beside other tables and beside what the machine's memory allows.

Each contestant runs in a process of its own, over the same keys and rows (dim 16), and checks a checksum of what it answers
before anything is timed. In each process the contestant takes turns with a bare gather of rows whose places are known (for
updates: with a bare gather-and-write), and its share is the median of the turns' ratios. 10 M rows, some at 50 M, unless
`quick`: 1 M.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from deploy.launcher.environment import ROOT
from tests.bench import engine_results as results
from tests.bench.contestants import CONTESTANTS as IN_PYTHON
from tests.bench.engine_build import Built, build
from tests.bench.engine_peers import Headers, Missing, environment, headers
from tests.bench.engine_plan import IN_CPP, Run, main_rows, runs
from tests.bench.engine_plot import PLOT, plotted
from tests.bench.report import Report, say, say_table

PATIENCE_S, QUICK_PATIENCE_S = 400, 60
"""For one process; the slowest takes a fifth of it on an idle machine."""
ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # every table's memory in huge pages, as Freshet asks for its own
    "CUDA_VISIBLE_DEVICES": "-1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONWARNINGS": "ignore",
}


def run(*, quick: bool) -> None:
    """Prints tables, writes `reports/bench-engine.json` and, unless `quick`, the plot. Raises AssertionError in the end if
    a contestant answered wrongly."""
    report = Report("bench-engine")
    say("getting the peers, and building")
    found = headers()
    built = build(found)
    interpreters, missing = _interpreters(found)
    values, failed = _measured(list(runs(quick=quick)), built, interpreters, missing, quick=quick)
    values |= results.documented(values)
    _show(values, missing)
    report.write(
        {
            "dim": 16,
            "num_rows": main_rows(quick=quick),
            "batch_size": 65_536,
            "num_threads": 1,
            **values,
            "missing": [f"{name}: {reason}" for name, reason in missing.items()],
            "failed": failed,
        }
    )
    if not quick:
        PLOT.write_text(plotted(values))
        say(f"drawn in {PLOT.relative_to(ROOT)}")
    assert not failed, "\n".join(failed)


def _interpreters(found: Headers) -> tuple[dict[str, Path], dict[str, str]]:
    """By environment; and by contestant why it is missing."""
    missing = {
        listed.title: found.missing[listed.family] for listed in IN_CPP.values() if listed.family in found.missing
    }
    interpreters = {"": Path(sys.executable)}
    for name in sorted({listed.environment for listed in IN_PYTHON.values()} - {""}):
        try:
            interpreters[name] = environment(name)
        except Missing as reason:
            missing |= {listed.title: str(reason) for listed in IN_PYTHON.values() if listed.environment == name}
    return interpreters, missing


def _measured(
    planned: list[Run], built: Built, interpreters: dict[str, Path], missing: dict[str, str], *, quick: bool
) -> tuple[dict[str, float], list[str]]:
    """Flat values, and what failed. Fills in `missing` what this machine has no memory for."""
    values: dict[str, float] = {}
    failed = []
    patience_s = QUICK_PATIENCE_S if quick else PATIENCE_S
    started = time.monotonic()
    for number, each in enumerate(planned, 1):
        command = _command(each, built, interpreters)
        if command is None:
            continue
        if each.needs_bytes > _available_bytes():
            missing[each.described] = f"needs about {each.needs_bytes / 2**30:.0f} GiB of free memory"
            continue
        say(f"[{time.monotonic() - started:5.0f} s, {number} of {len(planned)}] {each.described}")
        try:
            values |= results.flat_names(each, _run(command, patience_s), main_rows(quick=quick))
        except RuntimeError as error:
            failed.append(f"{each.described}: {error}")
            say(f"  failed: {error}")
    return values, failed


def _command(each: Run, built: Built, interpreters: dict[str, Path]) -> list[str] | None:
    """None for a contestant that is missing."""
    if each.measure != "python":
        return [str(built.program), *each.arguments] if each.contestant in built.contestants else None
    interpreter = interpreters.get(IN_PYTHON[each.contestant].environment)
    if interpreter is None:
        return None
    options = {"contestant": each.contestant, "rows": each.num_rows, "rounds": each.num_rounds}
    options |= {"reference": built.reference, "slice-batches": 4 if each.num_rounds > 3 else 1}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    return [str(interpreter), "-m", "tests.bench.engine_peer", *arguments]


def _run(command: list[str], patience_s: float) -> dict[str, float]:
    """The object on the last line that it printed. Raises RuntimeError with the last line of its complaint."""
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"not done after {patience_s} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(lines[-1] if lines else f"status {done.returncode}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _show(values: dict[str, float], missing: dict[str, str]) -> None:
    for head, rows in (
        (results.LOOKUP_HEAD, results.lookup_rows(values)),
        (["with Adagrad state: " + results.LOOKUP_HEAD[0], *results.LOOKUP_HEAD[1:]],
         results.lookup_rows(values, suffix="_with_adagrad")),
        (results.UPDATE_HEAD, results.update_rows(values)),
        (results.GROWTH_HEAD, results.growth_rows(values)),
        (results.PYTHON_HEAD, results.python_rows(values)),
        (results.LARGE_HEAD, results.large_rows(values)),
        (["figure", "reach", "measured", "met"], results.goal_rows(values)),
    ):  # fmt: skip
        say()
        say_table(head, rows)
    for name, reason in missing.items():
        say(f"  missing: {name}: {reason}")


def _available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("/proc/meminfo does not tell MemAvailable")
