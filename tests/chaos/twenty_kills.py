"""`python -m tests.chaos.twenty_kills`: a run killed twenty times at random and one never killed end with the same parameters.

Examples arrive while an online trainer is killed (SIGKILL) or put to sleep (SIGSTOP) at random moments and a successor takes over;
sleepers wake up later and must end by themselves. A second trainer then learns the same log, steps included, in one life. Their table
digests and dense weights must be equal to the bit, and so must those of a replica that followed the first. Over PostgreSQL or, with `--log
kafka`, over a Kafka broker; both are started for it. Exits with 1 when anything differs; the figures go to `reports/`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psycopg

from engine.streams import open_log, topics
from engine.streams.log import EventLog
from engine.streams.postgres_schema import SCHEMA_SQL
from tests.chaos.lives import PROJECT, Life, Outcome, TrainerOrder
from tests.chaos.steady_examples import SteadyExamples
from tests.chaos.step_copy import StepCopy
from tests.session_servers import SessionServers
from workers.reports import REPORTS, Report

EXAMPLES_A_SECOND = 120.0
NUM_PARTITIONS = 3
SLEEPS_EVERY = 4
PATIENCE_S = 300.0


def main() -> int:
    """0 when nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.twenty_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=29)
    parser.add_argument("--log", choices=("postgres", "kafka"), default="postgres")
    parser.add_argument(
        "--longest", type=float, default=4.0, help="seconds that a trainer lives at most once it trains"
    )
    parser.add_argument("--reports", type=Path, default=REPORTS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="freshet-kills-", ignore_cleanup_errors=True) as name:
        servers = SessionServers(Path(name) / "servers")
        servers.start()
        try:
            url = f"kafka://{servers.start_kafka()}" if options.log == "kafka" else _postgres(servers)
            report = _prove(url, Path(name), options.kills, np.random.default_rng(options.seed), options.longest)
        finally:
            servers.stop()
    Report(f"twenty-kills-{options.log}", options.reports).write({"log": options.log, "seed": options.seed, **report})
    sys.stdout.write("\n".join(f"  {key:24} {value}" for key, value in report.items()) + "\n")
    return 1 if report["violations"] else 0


def _postgres(servers: SessionServers) -> str:
    with psycopg.connect(servers.database_url) as connection:
        connection.execute(SCHEMA_SQL)
    return servers.database_url


def _prove(url: str, folder: Path, num_kills: int, rng: np.random.Generator, longest_s: float) -> dict[str, object]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["engine.training.online", "tests.chaos.lives"])
    log, started = open_log(url), time.monotonic()
    log.create_topic(topics.examples(PROJECT), NUM_PARTITIONS)
    violations: list[str] = []
    with SteadyExamples(url, EXAMPLES_A_SECOND, seed=int(rng.integers(1 << 30))) as examples, StepCopy(url) as steps:
        lives, asleep = 0, []
        while lives < num_kills:
            lives += 1
            life = Life.begin(context, TrainerOrder(url, folder / "killed", 1, epoch=lives))
            life.await_training(PATIENCE_S)
            time.sleep(float(rng.uniform(0.05, longest_s)))
            if lives % SLEEPS_EVERY:
                life.end(signal.SIGKILL)
            else:
                life.send(signal.SIGSTOP)
                asleep.append(life)
            sys.stdout.write(f"life {lives} {'asleep' if life in asleep else 'killed'}\n")
            sys.stdout.flush()
        examples.stop()
        last = Life.begin(context, TrainerOrder(url, folder / "killed", 1, lives + 1, examples.num_appended))
        last.await_training(PATIENCE_S)
        for life in asleep:
            life.send(signal.SIGCONT)
            violations += life.violations_of_a_sleeper(PATIENCE_S)
        killed = last.outcome(PATIENCE_S)
    steps.paste(2)
    order = TrainerOrder(url, folder / "whole", 2, lives + 2, until_examples=examples.num_appended)
    whole = Life.begin(context, order).outcome(PATIENCE_S)
    violations += _differences(killed, whole, examples.num_appended, _follows(log, folder / "killed"))
    log.close()
    return {
        "num_kills": num_kills,
        "num_sleepers": len(asleep),
        "num_examples": examples.num_appended,
        "num_steps": steps.num_steps,
        "digest": killed.digest,
        "num_violations": len(violations),
        "violations": violations,
        "took_s": round(time.monotonic() - started, 1),
    }


def _differences(killed: Outcome, whole: Outcome, num_examples: int, replica: dict[str, str]) -> list[str]:
    one, other = asdict(killed), asdict(whole)
    found = [f"{name}: {one[name]} after kills, {other[name]} without" for name in one if one[name] != other[name]]
    if killed.num_examples != num_examples:
        found.append(f"{killed.num_examples} examples were learned, {num_examples} arrived")
    found += [
        f"the replica's {key}: {value}, the trainer's {one[key]}" for key, value in replica.items() if one[key] != value
    ]
    return found


def _follows(log: EventLog, directory: Path) -> dict[str, str]:
    """What a replica holds that starts now and applies what was published."""
    from engine.serving.deployment import ModelRef
    from engine.serving.served_model import ServedModel
    from tests.chaos.lives import DEFINITION, MODEL, digest_of_weights

    model = ServedModel(
        log, PROJECT, ModelRef(MODEL, 1, DEFINITION), snapshots_directory=directory / "snapshots", clock=time.time
    )
    while model.poll()[0]:
        continue
    model.mark_served()
    return {
        "digest": model.status("ranking").digest,
        "dense": digest_of_weights(model.predictor.dense_weights()),
    }


if __name__ == "__main__":
    sys.exit(main())
