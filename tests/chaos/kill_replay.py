"""`make chaos`: kill -9 of trainer, joiner and replica while events stream; count what was lost or doubled.

Starts the whole product on a folder of its own, prints a table, writes `reports/chaos.json`, and exits with 1 when
anything was violated. Keys of the report: ARCHITECTURE.md, and `tests/chaos/counting.py` for the counts.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deploy.launcher.environment import ROOT
from tests.chaos.faults import Fault, Target, lease_pid, program_pid, serving_pid, strike
from tests.chaos.product import Product
from tests.chaos.traffic import Traffic
from workers.reports import provenance

if TYPE_CHECKING:
    from tests.chaos.counting import Counts
    from tests.chaos.subject import Subject

SETTLE_PATIENCE_S = 120.0
JOIN_WINDOW_S = 3.0
SCHEMA: dict[str, object] = {
    "items": {},
    "users": {},
    "events": {"impression": {"role": "impression"}, "click": {"role": "action"}},
    "join_window_s": JOIN_WINDOW_S,
}
DEFINITION: dict[str, object] = {
    "slots": [
        {"name": "user_id", "number": 1, "source": "user.id", "dim": 8},
        {"name": "item_id", "number": 2, "source": "item.id", "dim": 8},
    ],
    "architecture": {"kind": "two_tower", "hidden": [16], "output_dim": 8},
    "training": {"batch_size": 64, "checkpoint_every_s": 4.0},
    "sync": {"interval_s": 0.5, "dense_interval_s": 1.0, "snapshot_every_s": 10.0},
}


def main() -> int:
    """0 when every count is as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.kill_replay", description=__doc__)
    parser.add_argument("--faults", type=int, default=12)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--rate", type=float, default=20.0, help="impressions a second, of four items each")
    parser.add_argument("--pause", type=float, default=6.0, help="the longest pause between two faults, in seconds")
    parser.add_argument("--report", type=Path, default=ROOT / "reports" / "chaos.json")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="freshet-chaos-", ignore_cleanup_errors=True) as folder,
        Product(Path(folder), "--no-demo") as product,
    ):
        report = _on(product, options.faults, options.seed, options.rate, options.pause)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if report["num_violations"] else 0


def _on(product: Product, num_faults: int, seed: int, rate: float, pause_s: float) -> dict[str, object]:
    os.environ.update(product.running.environment)
    import django

    django.setup()
    from tests.chaos import counting
    from tests.chaos.subject import subject_create

    started = time.monotonic()
    subject = subject_create(schema=SCHEMA, definition=DEFINITION)
    traffic = Traffic(product.base_url, subject.api_key, seed=seed, impressions_per_s=rate)
    traffic.start()
    try:
        targets = _targets(product.data_dir / "run", subject)
        faults = _strikes(targets, num_faults, np.random.default_rng(seed), pause_s)
    finally:
        traffic.stop()
    counts = counting.settle(
        lambda: counting.count(
            subject.project,
            subject.run,
            num_events=traffic.num_events,
            num_shown=traffic.num_shown,
            num_clicks=traffic.num_clicks,
        ),
        SETTLE_PATIENCE_S,
    )
    violations = counts.violations() + [f"refused: {refusal}" for refusal in traffic.refusals]
    violations += [f"{fault.target} did not come back" for fault in faults if fault.recovered_s is None]
    _show(faults, counts, violations)
    return {
        **provenance(),
        "num_faults": len(faults),
        "num_violations": len(violations),
        "violations": violations,
        "seed": seed,
        "impressions_per_s": rate,
        "took_s": round(time.monotonic() - started, 1),
        "slowest_recovery_s": max((fault.recovered_s or 0.0 for fault in faults), default=0.0),
        "faults": [asdict(fault) for fault in faults],
        **asdict(counts),
    }


def _targets(run_folder: Path, subject: Subject) -> list[Target]:
    """What can be killed: the process at work, or the worker whose pool it is in."""

    def trainer() -> int | None:
        return lease_pid(subject.run.lease_name)

    def joiner() -> int | None:
        return lease_pid(f"joiner:{subject.project.pk}")

    def replica() -> int | None:
        return serving_pid(run_folder, subject.run.model_version)

    return [
        Target("trainer", trainer, trainer),
        Target("joiner", joiner, joiner),
        Target("replica", replica, replica),
        Target("worker-trainer", lambda: program_pid(run_folder, "worker-trainer"), trainer),
        Target("worker-joiner", lambda: program_pid(run_folder, "worker-joiner"), joiner),
    ]


def _strikes(targets: list[Target], num_faults: int, random: np.random.Generator, pause_s: float) -> list[Fault]:
    """Every target in turn, in an order and with pauses that the seed decides."""
    order: list[Target] = []
    while len(order) < num_faults:
        order += [targets[place] for place in random.permutation(len(targets))]
    faults: list[Fault] = []
    for target in order[:num_faults]:
        time.sleep(random.uniform(0.2, pause_s))
        faults.append(strike(target))
        sys.stdout.write(f"killed {target.name} (process {faults[-1].pid}); back after {faults[-1].recovered_s} s\n")
        sys.stdout.flush()
    return faults


def _show(faults: list[Fault], counts: Counts, violations: list[str]) -> None:
    rows = [f"  {name:24} {value:>10}" for name, value in asdict(counts).items()]
    text = [
        f"\n{len(faults)} faults, {len(violations)} violations",
        *rows,
        *(f"  VIOLATED {one}" for one in violations),
    ]
    sys.stdout.write("\n".join(text) + "\n")


if __name__ == "__main__":
    sys.exit(main())
