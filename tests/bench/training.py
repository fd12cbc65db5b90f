"""`make bench-training`: examples a second of Freshet's training step beside a plain Keras and a hand-written TensorFlow one.

The ratio is the median over rounds of Freshet's rate by that of the round's fastest peer.

DeepFM 256-128-64 over 26 slots of dim 16 and 13 numbers, batches of 2,048, float32, Zipf ids, all cores. Ids are hashed
before the clock starts, for everybody. `trainer_examples_per_s` is Freshet from JSON records of the log, encoding included.
"""

from __future__ import annotations

import statistics
from functools import partial
from typing import Any, Protocol

import numpy as np

from tests.bench import criteo_like
from tests.bench.measuring import interleaved, median_share
from tests.bench.report import Report, say, say_table

DIM = 16
HIDDEN = [256, 128, 64]
BATCH = 2_048
PEERS = {"keras": "Keras 3, 26 hashed Embeddings", "tensorflow": "TensorFlow, tf.unique + sparse Adagrad"}
TITLES = {"engine": "Freshet training step", **PEERS, "trainer": "Freshet trainer, from JSON records"}
NOT_MEASURED = ("torch EmbeddingBag", "TFRA dynamic embedding", "torch + FBGEMM fused Adagrad")


class Learner(Protocol):
    def prepared(self, batch: criteo_like.Batch) -> Any: ...

    def learn(self, prepared: Any) -> float: ...


def run(*, quick: bool) -> None:
    report = Report("bench-training")
    num_batches, num_rounds = (20, 3) if quick else (50, 7)
    random = np.random.default_rng(17)
    stream = [criteo_like.draw(BATCH, random) for _ in range(num_batches)]
    learners = _learners()
    prepared = {name: [learner.prepared(batch) for batch in stream] for name, learner in learners.items()}
    say(f"\nDeepFM, 26 slots of dim {DIM}, 13 dense, {HIDDEN}, batches of {BATCH:,}, float32, Zipf ids")
    for name, learner in learners.items():
        _check(TITLES[name], learner, prepared[name], stream)
    slices = {name: partial(_slice, learner, prepared[name]) for name, learner in learners.items()}
    rates = interleaved(slices, num_rounds)
    best = [max(of_round) for of_round in zip(*(rates[name] for name in PEERS), strict=True)]
    values: dict[str, object] = {
        "examples_per_s": round(statistics.median(rates["engine"]), 1),
        "ratio_to_best_peer": round(median_share(rates["engine"], best), 4),
        "trainer_ratio_to_best_peer": round(median_share(rates["trainer"], best), 4),
        **{f"{name}_examples_per_s": round(statistics.median(rates[name]), 1) for name in (*PEERS, "trainer")},
        "batch_size": BATCH,
        "num_rounds": num_rounds,
        "num_batches_per_round": num_batches,
        "not_measured": list(NOT_MEASURED),
    }
    say_table(
        ["", "examples/s", "ms/step", "of best peer"],
        [
            [
                title,
                f"{statistics.median(rates[name]):,.0f}",
                f"{1000 * BATCH / statistics.median(rates[name]):.1f}",
                f"{median_share(rates[name], best):.2f}",
            ]
            for name, title in TITLES.items()
        ],
    )
    for name in NOT_MEASURED:
        say(f"  {name}: not measured, needs its own environment")
    report.write(values)


def _learners() -> dict[str, Learner]:
    from engine.training.state import TrainingState
    from tests.bench.training_engine import EngineStep, EngineTrainer, definition
    from tests.bench.training_peers import KerasPeer, TensorFlowPeer

    wanted = definition(DIM, HIDDEN, BATCH)
    return {
        "engine": EngineStep(TrainingState(wanted)),
        "keras": KerasPeer(DIM, HIDDEN),
        "tensorflow": TensorFlowPeer(DIM, HIDDEN),
        "trainer": EngineTrainer(TrainingState(wanted)),
    }


def _slice(learner: Learner, prepared: list[Any]) -> int:
    for batch in prepared:
        learner.learn(batch)
    return BATCH * len(prepared)


def _check(title: str, learner: Learner, prepared: list[Any], stream: list[criteo_like.Batch]) -> None:
    """Two passes warm everything up; the second must know more than how frequent clicks are."""
    first = [learner.learn(batch) for batch in prepared]
    again = [learner.learn(batch) for batch in prepared]
    share = float(np.mean([batch.labels.mean() for batch in stream]))
    knowing_nothing = -(share * np.log(share) + (1 - share) * np.log(1 - share))
    assert np.mean(again) < 0.99 * knowing_nothing, f"{title} learned nothing: {np.mean(again):.4f}"
    say(
        f"  {title}: log loss {np.mean(first):.4f}, then {np.mean(again):.4f}; the click rate alone {knowing_nothing:.4f}"
    )
