"""`python -m tests.bench ranking`: a ranker's answer, and its dense pass beside other libraries', on one thread."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from engine.features.encoded import FloatArray
from engine.retrieval.item_rows import Rows
from tests.bench.measuring import percentile_ms
from tests.bench.peer_path import add_peers
from tests.bench.ranking_contestants import CONTESTANTS, Contestant
from tests.bench.ranking_scene import DIM, NUM_SLOTS, Scene
from tests.bench.report import Report, say, say_table

NUMS: Final = (25, 100, 300, 500)
_SIDE: Final = NUM_SLOTS // 2 * DIM

Figures = dict[str, float]


def run(*, quick: bool) -> None:
    """Print tables and write `reports/bench-ranking.json`: `ranker` and `dense` by what and number of candidates, p50 milliseconds."""
    add_peers()
    tf = importlib.import_module("tensorflow")
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    report = Report("bench-ranking")
    num_calls = 100 if quick else 1000
    with threadpool_limits(1):
        scene = Scene(10_000 if quick else 100_000)
        ranker = _of_ranker(scene, num_calls)
        dense, missing = _of_dense_pass(scene, num_calls)
    say("p50 in ms on one thread, by number of candidates")
    head = ["", *(str(num) for num in NUMS)]
    say_table(head, [[name, *(f"{found[str(num)]:.3f}" for num in NUMS)] for name, found in ranker.items()])
    say()
    rows = [
        [name, *(f"{found[str(num)]:.3f}" for num in NUMS), f"{found['update']:.2f}", f"{found['off']:.0e}"]
        for name, found in dense.items()
    ]
    say_table(["dense pass", *head[1:], "new weights", "off by"], rows)
    for name, why in missing.items():
        say(f"{name}: {why}")
    report.write({"ranker": ranker, "dense": dense, "missing": missing})


def _of_ranker(scene: Scene, num_calls: int) -> dict[str, Figures]:
    """The whole answer and its parts; and what it was by TensorFlow, from items encoded before."""
    ranker, predictor, asker = scene.ranker, scene.predictor, scene.asker
    record, batch = ranker.users.record(asker), ranker.users.encoded(asker)
    found: dict[str, Figures] = {"rank": {}, "of it the user": {}, "of it the core": {}, "by TensorFlow": {}}

    def core(drawn: Drawn) -> None:
        predictor.record_predictions(record, ranker.items.records(drawn.rows()))

    def tensorflow(drawn: Drawn) -> None:
        items = ranker.items.encoded(drawn.rows())
        places = np.arange(items.num_rows, dtype=np.int32)
        predictor.pair_predictions(batch, items, np.zeros_like(places), places)

    for num in NUMS:
        drawn = Drawn(num, scene.catalogue.num_rows)
        ways: dict[str, Callable[[Drawn], object]] = {
            "rank": lambda drawn: ranker.rank(asker, drawn.rows()),
            "of it the user": lambda _: ranker.users.record(asker),
            "of it the core": core,
            "by TensorFlow": tensorflow,
        }
        for name, call in ways.items():
            found[name][str(num)] = _p50_ms(partial(call, drawn), num_calls)
    return found


class Drawn:
    """Candidates at random, others at each call."""

    def __init__(self, num: int, num_items: int) -> None:
        self._rows = np.random.default_rng(num).integers(0, num_items, (64, num)).astype(np.int32)
        self._turn = 0

    def rows(self) -> Rows:
        self._turn += 1
        rows: Rows = self._rows[self._turn % len(self._rows)]
        return rows


def _of_dense_pass(scene: Scene, num_calls: int) -> tuple[dict[str, Figures], dict[str, str]]:
    rng = np.random.default_rng(2)
    weights = {
        name: rng.normal(0, 0.05, value.shape).astype(np.float32)
        for name, value in scene.predictor.dense_weights().items()
    }
    user = rng.normal(0, 0.3, (1, _SIDE)).astype(np.float32)
    items = rng.normal(0, 0.3, (max(NUMS), _SIDE)).astype(np.float32)
    expected: FloatArray | None = None
    found: dict[str, Figures] = {}
    missing: dict[str, str] = {}
    for name, make in CONTESTANTS.items():
        try:
            contestant = make(scene.definition)
            found[name] = {"update": _update_ms(contestant, weights)}
        except ImportError as error:
            missing[name] = str(error)
            continue
        scores = contestant.scores(user, items)
        expected = scores if expected is None else expected
        found[name]["off"] = float(np.abs(scores - expected).max())
        for num in NUMS:
            chosen = np.ascontiguousarray(items[:num])
            found[name][str(num)] = _p50_ms(partial(contestant.scores, user, chosen), num_calls)
    return found, missing


def _update_ms(contestant: Contestant, weights: dict[str, FloatArray]) -> float:
    """Of new weights, when there have been some before."""
    contestant.update(weights)
    return _p50_ms(lambda: contestant.update(weights), 5)


def _p50_ms(call: Callable[[], object], num_calls: int) -> float:
    took_s = []
    for _ in range(num_calls):
        started = time.perf_counter()
        call()
        took_s.append(time.perf_counter() - started)
    return percentile_ms(took_s, 0.5)
