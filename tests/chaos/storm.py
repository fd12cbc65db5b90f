"""`make chaos`: under a steady load of events and recommendations, everything that can happen to a running Freshet, one after the other.

kill -9 of each process and of PostgreSQL, Redis and (with --kafka) Kafka, alone and in pairs; sleeps; a full disk; a broken delta;
client clocks that jump, and the machine's; a network that is cut; deliveries doubled and reordered. After each: how long until an event
that came later was served from, and what the API answered meanwhile. At the end every acknowledged, joined and trained event is
counted, and digests are compared. Prints a table, writes `reports/chaos.json`, and exits with 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.launcher.environment import ROOT
from tests.chaos.callers import Answers, Callers
from tests.chaos.machine_clock import MachineClock
from tests.chaos.network import leave_for_own
from tests.chaos.product import Product
from tests.chaos.traffic import Traffic
from workers.reports import provenance

if TYPE_CHECKING:
    from tests.chaos.storm_counts import StormCounts
    from tests.chaos.storm_faults import Fault, Process
    from tests.chaos.subject import Subject

RECOVERY_PATIENCE_S = 150.0
SETTLE_PATIENCE_S = 150.0
BREATH_S = 3.0
CLOCK_JUMPS_S = (3600.0, -5.0)
PARTITION_S = 20.0
SCHEMA: dict[str, object] = {
    "items": {},
    "users": {},
    "events": {"impression": {"role": "impression"}, "click": {"role": "action"}},
    "join_window_s": 10.0,
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


@dataclass(frozen=True)
class Suffered:
    """One fault: what it hit, seconds from its end until an example that did not exist yet was served from, and the answers of the API
    from its beginning to then."""

    fault: str
    hit: str
    recovered_s: float | None
    num_good: int
    num_degraded: int
    errors: dict[str, int] = field(default_factory=dict)
    slowest_ms: float = 0.0
    may_be_silent: bool = False


def main() -> int:
    """0 when no promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.storm", description=__doc__)
    parser.add_argument("--short", action="store_true", help="six faults of the most different kinds, short sleeps")
    parser.add_argument("--kafka", action="store_true", help="the event log is a Kafka broker, started for this")
    parser.add_argument("--only", default="", help="faults whose name contains one of these words, separated by commas")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--rate", type=float, default=10.0, help="impressions a second, of four items each")
    parser.add_argument("--requests", type=float, default=5.0, help="recommendations a second")
    parser.add_argument("--keep", type=Path, help="a folder for data and logs that stays afterwards")
    parser.add_argument("--report", type=Path, default=ROOT / "reports" / "chaos.json")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.keep or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="freshet-chaos-", ignore_cleanup_errors=True))
        )
        folder.mkdir(parents=True, exist_ok=True)
        has_network = not options.short and _own_network(options)
        kafka_pid = _kafka(stack, folder) if options.kafka else _nobody
        clock = None if options.short else _clock(folder)
        environment = None if clock is None else clock.environment
        product = stack.enter_context(Product(folder, "--no-demo", environment=environment))
        report = _on(product, options, kafka_pid, clock, has_network=has_network)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(json.dumps(report, indent=2) + "\n")
    return 1 if report["num_violations"] else 0


def _own_network(options: argparse.Namespace) -> bool:
    """Whether this process and all it starts have a network that can be cut; a line says why not."""
    try:
        if options.kafka:
            raise RuntimeError("the broker's jars may have to be fetched")
        leave_for_own()
    except RuntimeError as error:
        sys.stdout.write(f"left out, a partition of the network: {error}\n")
        return False
    return True


def _clock(folder: Path) -> MachineClock | None:
    """None, and a line that says why, where it cannot be had."""
    try:
        return MachineClock(folder / "clock")
    except RuntimeError as error:
        sys.stdout.write(f"left out, the machine's clock: {error}\n")
        return None


def _nobody() -> int | None:
    return None


def _kafka(stack: ExitStack, folder: Path) -> Callable[[], int | None]:
    """A broker of our own, started again when it dies, as the operator of one would."""
    from tests.chaos.kept_broker import KeptBroker

    broker = stack.enter_context(KeptBroker(folder / "kafka"))
    os.environ["KAFKA_BOOTSTRAP_SERVERS"] = broker.bootstrap_servers
    return broker.pid


def _on(
    product: Product,
    options: argparse.Namespace,
    kafka_pid: Callable[[], int | None],
    clock: MachineClock | None,
    *,
    has_network: bool,
) -> dict[str, object]:
    os.environ.update(product.running.environment)
    import django

    django.setup()
    from tests.chaos import storm_faults
    from tests.chaos.pulse import first_beat
    from tests.chaos.subject import subject_create

    started = time.monotonic()
    subject = subject_create(schema=SCHEMA, definition=DEFINITION)
    traffic = Traffic(product.base_url, subject.api_key, seed=options.seed, impressions_per_s=options.rate)
    callers = Callers(product.base_url, subject.api_key, requests_per_s=options.requests)
    traffic.start()
    try:
        first_beat(subject.run, RECOVERY_PATIENCE_S)
        callers.start()
        try:
            known = storm_faults.processes(product.data_dir, product.pid, subject, kafka_pid)
            faults = [
                fault
                for fault in [
                    *_faults(known, subject, traffic, is_short=options.short),
                    *([storm_faults.partition("replica-1", PARTITION_S)] if has_network else []),
                    *_of_clock(clock, traffic),
                ]
                if any(word in fault.name for word in options.only.split(","))
            ]
            suffered = [_suffer(fault, subject, callers) for fault in faults]
        finally:
            callers.stop()
    finally:
        traffic.stop()
    counts = _settled(subject, traffic)
    violations = _violations(suffered, counts, traffic)
    _show(suffered, counts, violations)
    return {
        **provenance(),
        "log": "kafka" if options.kafka else "postgresql",
        "num_faults": len(suffered),
        "num_violations": len(violations),
        "violations": violations,
        "seed": options.seed,
        "took_s": round(time.monotonic() - started, 1),
        "slowest_recovery_s": max((one.recovered_s or 0.0 for one in suffered), default=0.0),
        "faults": [asdict(one) for one in suffered],
        **asdict(counts),
    }


def _faults(known: dict[str, Process], subject: Subject, traffic: Traffic, *, is_short: bool) -> list[Fault]:
    from tests.chaos.storm_faults import broken_delta, clock_jump, death, doubled_and_reordered, full_disk, sleep

    broken = broken_delta(subject)
    doubled = doubled_and_reordered(subject, traffic.note)
    jump = clock_jump(lambda events, shift_ms: _noted(traffic, events, shift_ms))
    if is_short:
        return [
            death(known["trainer"]),
            death(known["postgres"]),
            death(known["replica-1"], known["redis"]),
            sleep(known["joiner"], 12.0),
            full_disk(known["trainer"], 8.0),
            broken,
            doubled,
            jump,
        ]
    pairs = [
        ("trainer", "replica-1"),
        ("joiner", "postgres"),
        ("postgres", "redis"),
        ("trainer", "joiner"),
        ("web-1", "replica-1"),
    ]
    if "kafka" in known:
        pairs += [("kafka", "trainer"), ("kafka", "postgres")]
    sleepers = [name for name in ("trainer", "joiner", "replica-1", "postgres", "redis", "kafka") if name in known]
    return [
        *(death(process) for process in known.values()),
        *(death(known[one], known[other]) for one, other in pairs),
        *(sleep(known[name], 30.0) for name in sleepers),
        full_disk(known["trainer"], 20.0),
        broken,
        doubled,
        jump,
    ]


def _of_clock(clock: MachineClock | None, traffic: Traffic) -> list[Fault]:
    """The last: what comes after lives with the clock as it is then."""
    from tests.chaos.storm_faults import machine_clock_jump

    return [] if clock is None else [machine_clock_jump(clock, traffic, by_s) for by_s in CLOCK_JUMPS_S]


def _noted(traffic: Traffic, events: list[dict[str, object]], shift_ms: int) -> list[dict[str, object]]:
    traffic.note(traffic.post(events, shift_ms))
    return events


def _suffer(fault: Fault, subject: Subject, callers: Callers) -> Suffered:
    from tests.chaos.pulse import beats_again, first_beat

    time.sleep(BREATH_S)
    first_beat(subject.run, RECOVERY_PATIENCE_S)
    callers.take()
    try:
        hit = fault.happen()
    except RuntimeError as error:  # there was nobody to hit: somebody did not come back from an earlier fault
        hit, recovered_s = str(error), None
    else:
        recovered_s = beats_again(subject.run, RECOVERY_PATIENCE_S)
    answers = callers.take()
    suffered = _suffered(fault, hit, recovered_s, answers)
    sys.stdout.write(_line(suffered) + "\n")
    sys.stdout.flush()
    return suffered


def _suffered(fault: Fault, hit: str, recovered_s: float | None, answers: Answers) -> Suffered:
    return Suffered(
        fault=fault.name,
        hit=hit,
        recovered_s=recovered_s,
        num_good=answers.num_good,
        num_degraded=answers.num_degraded,
        errors=dict(answers.errors),
        slowest_ms=answers.slowest_ms,
        may_be_silent=fault.silences,
    )


def _line(one: Suffered) -> str:
    back = "did not come back" if one.recovered_s is None else f"past it after {one.recovered_s:5.1f} s"
    errors = ", ".join(f"{kind}: {num}" for kind, num in sorted(one.errors.items())) or "no errors"
    return f"{one.fault:44} {back}; answers {one.num_good} good, {one.num_degraded} degraded, {errors}; slowest {one.slowest_ms:.0f} ms"


def _settled(subject: Subject, traffic: Traffic) -> StormCounts:
    from tests.chaos.storm_counts import storm_count

    deadline = time.monotonic() + SETTLE_PATIENCE_S
    while True:
        counts = storm_count(subject, event_ids=traffic.event_ids, num_clicks=traffic.num_clicks)
        if not counts.violations() or time.monotonic() > deadline:
            return counts
        time.sleep(1.0)


def _violations(suffered: list[Suffered], counts: StormCounts, traffic: Traffic) -> list[str]:
    found = counts.violations() + [f"refused: {refusal}" for refusal in traffic.refusals]
    for one in suffered:
        if one.recovered_s is None:
            found.append(f"{one.fault}: no event that came later was served from ({one.hit})")
        if one.errors and not one.may_be_silent:
            found.append(f"{one.fault}: the API failed: {one.errors}")
    return found


def _show(suffered: list[Suffered], counts: StormCounts, violations: list[str]) -> None:
    rows = [f"  {name:28} {value:>10}" for name, value in asdict(counts).items()]
    broken = [f"  VIOLATED {one}" for one in violations]
    sys.stdout.write("\n".join([f"\n{len(suffered)} faults, {len(violations)} violations", *rows, *broken]) + "\n")


if __name__ == "__main__":
    sys.exit(main())
