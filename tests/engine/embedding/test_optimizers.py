"""Every optimizer of a definition reaches the rows, and does what its formula says, many steps long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter

from engine.embedding.options import TableOptions
from engine.embedding.table import EmbeddingTable
from engine.spec.initializer import Constant
from engine.spec.sparse_optimizer import SparseOptimizer

DIM = 5
NUM_STEPS = 60
LEARNING_RATE = 0.1
Doubles = NDArray[np.float64]
State = defaultdict[str, Doubles]
Step = Callable[[Doubles, State, Doubles, int], Doubles]
"""The change of the vector: of w, a state that the step keeps and that begins with zeros, the gradient and the step's number from 1."""


def sgd(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    return -LEARNING_RATE * g


def decayed_sgd(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    return -LEARNING_RATE * (g + 0.2 * w)


def momentum(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    s["v"] = 0.8 * s["v"] + g
    return -LEARNING_RATE * s["v"]


def nesterov(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    s["v"] = 0.8 * s["v"] + g
    return -LEARNING_RATE * (g + 0.8 * s["v"])


def adagrad(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    s["n"] = s.get("n", np.full(DIM, 0.25)) + g * g
    return -LEARNING_RATE * g / np.sqrt(s["n"])


def adam(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.99 * s["v"] + 0.01 * g * g
    return -LEARNING_RATE * (s["m"] / (1 - 0.9**t)) / (np.sqrt(s["v"] / (1 - 0.99**t)) + 1e-6)


def amsgrad(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    s["m"] = 0.9 * s["m"] + 0.1 * g
    s["v"] = 0.99 * s["v"] + 0.01 * g * g
    s["greatest"] = np.maximum(s["greatest"], s["v"])
    return -LEARNING_RATE * (s["m"] / (1 - 0.9**t)) / (np.sqrt(s["greatest"] / (1 - 0.99**t)) + 1e-6)


def adadelta(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    s["e"] = 0.9 * s["e"] + 0.1 * g * g
    step: Doubles = g * np.sqrt(s["d"] + 1e-3) / np.sqrt(s["e"] + 1e-3)
    s["d"] = 0.9 * s["d"] + 0.1 * step * step
    return -LEARNING_RATE * step


def rmsprop(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    s["e"] = 0.9 * s["e"] + 0.1 * g * g
    return -LEARNING_RATE * g / np.sqrt(s["e"] + 1e-3)


def rmsprop_with_momentum(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    s["e"] = 0.9 * s["e"] + 0.1 * g * g
    s["v"] = 0.5 * s["v"] + g / np.sqrt(s["e"] + 1e-3)
    return -LEARNING_RATE * s["v"]


def proximal_sums(w: Doubles, s: State, g: Doubles) -> tuple[Doubles, Doubles]:
    n = s.get("n", np.full(DIM, 0.25))
    before = s["curvature"]
    s["n"] = n + g * g
    s["curvature"] = np.sqrt(s["n"]) / LEARNING_RATE
    s["z"] = s["z"] + g - (s["curvature"] - before) * w
    return s["z"], s["curvature"]


def ftrl(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    z, curvature = proximal_sums(w, s, g)
    target = np.where(np.abs(z) <= 0.5, 0, -(z - np.sign(z) * 0.5) / (curvature + 0.1))
    return np.asarray(target - w)


def group_ftrl(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    z, curvature = proximal_sums(w, s, g)
    norm, threshold = np.linalg.norm(z), 0.5 * np.sqrt(DIM)
    target = np.zeros(DIM) if norm <= threshold else -z * (1 - threshold / norm) / (curvature + 0.1)
    return np.asarray(target - w)


def clipped(w: Doubles, s: State, g: Doubles, t: int) -> Doubles:
    g = np.clip(g, -0.5, 0.5)
    return -LEARNING_RATE * g * min(1.0, 0.8 / float(np.linalg.norm(g)))


CASES: list[tuple[dict[str, Any], Step]] = [
    ({"kind": "sgd"}, sgd),
    ({"kind": "sgd", "weight_decay": 0.2}, decayed_sgd),
    ({"kind": "sgd", "clip_value": 0.5, "clip_norm": 0.8}, clipped),
    ({"kind": "momentum", "momentum": 0.8}, momentum),
    ({"kind": "momentum", "momentum": 0.8, "nesterov": True}, nesterov),
    ({"kind": "adagrad", "initial_accumulator": 0.25}, adagrad),
    ({"kind": "adam", "beta2": 0.99, "epsilon": 1e-6}, adam),
    ({"kind": "amsgrad", "beta2": 0.99, "epsilon": 1e-6}, amsgrad),
    ({"kind": "adadelta", "rho": 0.9, "epsilon": 1e-3}, adadelta),
    ({"kind": "rmsprop", "rho": 0.9, "epsilon": 1e-3}, rmsprop),
    ({"kind": "rmsprop", "rho": 0.9, "epsilon": 1e-3, "momentum": 0.5}, rmsprop_with_momentum),
    ({"kind": "ftrl", "initial_accumulator": 0.25, "l1": 0.5, "l2": 0.1}, ftrl),
    ({"kind": "group_ftrl", "initial_accumulator": 0.25, "l1": 0.5, "l2": 0.1}, group_ftrl),
]


@pytest.mark.parametrize(("document", "step"), CASES, ids=[step.__name__ for _, step in CASES])
def test_a_row_learns_as_the_formula_says(document: dict[str, Any], step: Step) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(SparseOptimizer)
    optimizer = adapter.validate_python({**document, "initializer": Constant(scale=0.5)})
    table = EmbeddingTable(TableOptions(DIM, optimizer=optimizer))
    fid = np.array([7], np.uint64)
    table.lookup_or_create(fid, np.ones(1, np.uint16), 1)
    w, state = np.full(DIM, 0.5), State(lambda: np.zeros(DIM))
    rng = np.random.default_rng(3)
    for t in range(1, NUM_STEPS + 1):
        grads = rng.normal(0.2, 1, (1, DIM)).astype(np.float32)
        assert table.apply_gradients(fid, grads, LEARNING_RATE).num_applied == 1
        w = w + step(w, state, grads[0].astype(np.float64), t)
        np.testing.assert_allclose(table.lookup(fid)[0], w, rtol=2e-4, atol=2e-5)
