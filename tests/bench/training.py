"""`make bench-training`: examples a second of Freshet's training step beside six others, each in a process of its own.

DeepFM 256-128-64 over 26 slots of dim 16 and 13 numbers, batches of 2,048, Adagrad for embeddings and dense weights at the same
rates for everybody, the same two cores, two streams of ten million distinct ids: Zipf(1.05), and uniform. Contestants take
turns, slice by slice, and a ratio is the median over rounds of Freshet's rate by that of the round's fastest peer. Ids are hashed
before the clock starts, for everybody. Who keeps rows by key holds all ten million before the first round, unless `quick`.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.bench import training_results as results
from tests.bench.criteo_like import NUM_IDS, Ids
from tests.bench.engine_peers import Missing, environment
from tests.bench.report import Report, say, say_table
from tests.bench.training_contestants import BFLOAT16, CONTESTANTS, FLOAT32
from tests.bench.training_processes import PeerProcess, peer_command
from tests.bench.training_race import SEED, Asked, Outcome, Pace, Race
from tests.bench.training_setting import BATCH, NUM_CORES

FULL, QUICK = Pace(40, 11, fill=True), Pace(12, 5, fill=False)
ACCURACY_BATCHES, QUICK_ACCURACY_BATCHES = 1_000, 120
PATIENCE_S = 240.0
"""For one answer; the slowest is the first pass of compiled PyTorch."""


def run(*, quick: bool) -> None:
    """Prints tables and writes `reports/bench-training.json`. Raises AssertionError in the end if a contestant learned nothing."""
    report = Report("bench-training")
    pace, num_accuracy_batches = (QUICK, QUICK_ACCURACY_BATCHES) if quick else (FULL, ACCURACY_BATCHES)
    missing: dict[str, str] = {}
    outcomes = _raced(pace, missing)
    say("the AUC of float32 and bfloat16_mixed")
    values = _values(outcomes) | _accuracy(num_accuracy_batches)
    _show(values, outcomes, missing)
    report.write(
        {
            **values,
            "batch_size": BATCH,
            "num_cores": NUM_CORES,
            "num_distinct_ids": NUM_IDS,
            "num_rounds": pace.num_rounds,
            "num_batches_per_round": pace.num_batches,
            "num_accuracy_batches": num_accuracy_batches,
            "not_measured": [f"{CONTESTANTS[name].title}: {reason}" for name, reason in missing.items()],
        }
    )
    for ids, outcome in outcomes.items():
        assert not outcome.unlearned, f"learned nothing from {ids} ids: {', '.join(outcome.unlearned)}"


def _raced(pace: Pace, missing: dict[str, str]) -> dict[Ids, Outcome]:
    started = time.monotonic()
    with ExitStack() as stack:
        peers = _started(missing, stack)
        race = Race(peers, missing)
        outcomes = {}
        for ids in Ids:
            say(f"[{time.monotonic() - started:4.0f} s] {ids} ids")
            names = [name for name in CONTESTANTS if name in peers and ids in CONTESTANTS[name].streams]
            outcomes[ids] = race.run(ids, names, pace)
        say(f"[{time.monotonic() - started:4.0f} s] all have learned")
    return outcomes


def _started(missing: dict[str, str], stack: ExitStack) -> dict[str, Asked]:
    """All at once: they import while they wait for their first command."""
    peers: dict[str, Asked] = {}
    for name, listed in CONTESTANTS.items():
        try:
            interpreter = environment(listed.environment) if listed.environment else Path(sys.executable)
        except Missing as reason:
            missing[name] = str(reason)
            continue
        peers[name] = stack.enter_context(PeerProcess(peer_command(interpreter, name), PATIENCE_S))
    return peers


def _values(outcomes: dict[Ids, Outcome]) -> dict[str, float]:
    found: dict[str, float] = {}
    for ids, outcome in outcomes.items():
        found |= results.stream_values(ids, outcome.rates)
        for name, key in ((FLOAT32, "table_share_of_step"), (BFLOAT16, "bf16_table_share_of_step")):
            if name in outcome.table_shares:
                found[key if ids is Ids.ZIPF else f"{key}_{ids}"] = round(outcome.table_shares[name], 4)
    return found


def _accuracy(num_batches: int) -> dict[str, float]:
    from tests.bench.training_accuracy import compared  # TensorFlow is not loaded while others are measured

    return compared(num_batches, SEED + 1)


def _show(values: dict[str, float], outcomes: dict[Ids, Outcome], missing: dict[str, str]) -> None:
    say(
        f"\nDeepFM, batches of {BATCH:,}, Adagrad, {NUM_IDS:,} distinct ids, {NUM_CORES} cores: examples/s, ms a step, of the best peer"
    )
    rates = {ids: outcome.rates for ids, outcome in outcomes.items()}
    head = [f"{ids}{unit}" for ids in Ids for unit in ("", " ms", " ratio")]
    say_table(["", *head], results.rate_rows(rates, missing))
    say()
    say_table(["", "reach", "measured", ""], results.goal_rows(values))
    for name, reason in missing.items():
        say(f"  {CONTESTANTS[name].title}: missing, {reason}")
