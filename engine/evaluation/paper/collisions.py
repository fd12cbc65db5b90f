"""Collisionless ids against ids hashed into a smaller space: the test AUC after each epoch (the paper's figure 7)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.evaluation.auc import auc
from engine.evaluation.findings import Findings
from engine.evaluation.paper.labelled import LabelledRows, Learner, labelled_definition

Progress = Callable[[str, int, int], None]

COLLISIONLESS: Final = "collisionless"
PAPER_LOAD: Final = 0.162541
"""The paper's users by its space: 162,541 by what its counts of collisions show to be 10^6."""


@dataclass(frozen=True, slots=True)
class CollisionPlan:
    """`spaces`: sizes that ids are hashed into; by default of `PAPER_LOAD` for the column with the most ids, a quarter and a sixteenth of
    that. `test_share` of the rows, drawn by each seed, are tested on."""

    spaces: Sequence[int] = ()
    seeds: Sequence[int] = (1, 2, 3)
    num_epochs: int = 10
    test_share: float = 0.1
    dim: int = 16
    hidden: Sequence[int] = (64, 32)
    batch_size: int = 512


def evaluate_collisions(rows: LabelledRows, plan: CollisionPlan, on_progress: Progress = lambda *_: None) -> Findings:
    """One model for each space and seed, all alike but for their ids. Curves are in `values["curves"]`: by name, seeds by epochs."""
    counts = {source: _num_distinct(rows.columns[source]) for source in rows.ids}
    largest = max(counts.values())
    spaces = list(plan.spaces) or [round(largest / PAPER_LOAD / part) for part in (1, 4, 16)]
    curves: dict[str, list[list[float]]] = {}
    findings = Findings("Test AUC by ids of their own, and by ids hashed into a smaller space")
    total = plan.num_epochs * len(plan.seeds)
    for space in [None, *spaces]:
        name = COLLISIONLESS if space is None else f"hashed into {space:,}"
        seen = rows if space is None else hashed(rows, space)
        for seed in plan.seeds:
            curve = _curve(seen, plan, seed, lambda name=name: on_progress(name, 1, total))  # type: ignore[misc]
            curves.setdefault(name, []).append(curve)
        lost = {source: 1 - _num_distinct(seen.columns[source]) / counts[source] for source in rows.ids}
        findings.add(name, _figures(curves[name], curves[COLLISIONLESS]) | {f"{k} lost": v for k, v in lost.items()})
    findings.values |= {
        "seeds": list(plan.seeds),
        "num_rows": len(rows),
        "num_ids": counts,
        "positive_share": float(rows.labels.mean()),
        "spaces": spaces,
        "curves": curves,
    }
    return findings


def hashed(rows: LabelledRows, space: int) -> LabelledRows:
    """Each id replaced by MD5(its number in order of first appearance) modulo `space`, as the paper's counts of collisions show."""
    columns = dict(rows.columns)
    for source in rows.ids:
        encoded: Any = rows.columns[source].dictionary_encode()
        buckets = [_bucket(number, space) for number in range(len(encoded.dictionary))]
        columns[source] = pa.array(buckets, pa.string()).take(encoded.indices)
    return LabelledRows(columns, rows.labels)


def _bucket(number: int, space: int) -> str:
    digest = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
    return str(int(digest, 16) % space)


def _num_distinct(column: Any) -> int:
    return len(column.unique())


def _curve(rows: LabelledRows, plan: CollisionPlan, seed: int, on_epoch: Callable[[], None]) -> list[float]:
    rng = np.random.default_rng(seed)
    is_test = rng.random(len(rows)) < plan.test_share
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    definition = labelled_definition(rows, dim=plan.dim, hidden=plan.hidden, batch_size=plan.batch_size, seed=seed)
    learner = Learner(rows, definition)
    curve = []
    for _ in range(plan.num_epochs):
        learner.learn(rng.permutation(train))
        curve.append(auc(learner.scores(test), rows.labels[test]) or 0.5)
        on_epoch()
    return curve


def _figures(curves: list[list[float]], base: list[list[float]]) -> dict[str, float | str]:
    """Means over seeds, and deviations; `against` is the difference at the best epoch from the collisionless runs of the same seeds."""
    runs, others = np.array(curves), np.array(base)
    best = runs.max(axis=1)
    difference = best - others.max(axis=1)
    return {
        "auc, epoch 1": _with_deviation(runs[:, 0]),
        "auc, best epoch": _with_deviation(best),
        "auc, last epoch": _with_deviation(runs[:, -1]),
        "against": _with_deviation(difference),
    }


def _with_deviation(values: npt.NDArray[np.float64]) -> str:
    deviation = values.std(ddof=1) if values.size > 1 else 0.0
    return f"{values.mean():.4f} ± {deviation:.4f}"
