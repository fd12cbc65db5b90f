"""Online training at several sync intervals against a model that stays as it was (the paper's algorithm 1 and table 2)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.evaluation.auc import auc
from engine.evaluation.findings import Findings
from engine.evaluation.paper.labelled import LabelledRows, Learner, labelled_definition
from engine.evaluation.replay.following import Follower, PublishedModel
from engine.streams.memory import MemoryLog

Progress = Callable[[str, int, int], None]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """`shards`: into how many parts the stream after the batch is cut, one sync before each; the paper's are 10, 50 and 100."""

    shards: Sequence[int] = (10, 50, 100)
    seeds: Sequence[int] = (1, 2, 3)
    batch_share: float = 5 / 7
    dim: int = 16
    hidden: Sequence[int] = (64, 32)
    batch_size: int = 512


def evaluate_sync_intervals(rows: LabelledRows, plan: SyncPlan, on_progress: Progress = lambda *_: None) -> Findings:
    """Rows are in time order. One pass over the first `batch_share`; then for each shard: serve = copy of train, score the shard by serve,
    train on it. Each number of shards has a serving copy of its own, all follow one trainer by the real sync path.

    The figures are means over seeds with their deviation. `online`, `frozen`: the mean over shards of each shard's AUC, as in the paper; it
    depends on how long a shard is, so a row's two are to be compared. `over the stream`: the AUC of all of the stream's rows at once.
    """
    online: dict[int, list[float]] = {num: [] for num in plan.shards}
    frozen: dict[int, list[float]] = {num: [] for num in plan.shards}
    pooled: dict[int, list[float]] = {num: [] for num in (*plan.shards, 0)}
    by_shard: dict[str, list[list[float]]] = {}
    for seed in plan.seeds:
        serving, standing = _run(rows, plan, seed, on_progress)
        whole = [np.arange(_cut(rows, plan), len(rows))]
        pooled[0].append(_mean_auc(standing, rows, whole))
        for num in plan.shards:
            pooled[num].append(_mean_auc(serving[num], rows, whole))
            parts = _shards(rows, plan, num)
            online[num].append(_mean_auc(serving[num], rows, parts))
            frozen[num].append(_mean_auc(standing, rows, parts))
        coarsest = min(plan.shards)
        parts = _shards(rows, plan, coarsest)
        for name, scores in {"online": serving[max(plan.shards)], "frozen": standing}.items():
            by_shard.setdefault(name, []).append(_aucs(scores, rows, parts))
    findings = Findings("AUC over shards of the stream, in per cent: synced before each shard, and not since the batch")
    for num in plan.shards:
        gain = np.array(online[num]) - np.array(frozen[num])
        findings.add(
            f"{num} shards",
            {
                "online": _percent(online[num]),
                "frozen": _percent(frozen[num]),
                "gain": _percent(gain.tolist()),
                "online, over the stream": _percent(pooled[num]),
                "frozen, over the stream": _percent(pooled[0]),
            },
        )
        findings.values |= {
            f"online_auc_{num}": float(np.mean(online[num])),
            f"online_auc_{num}_sd": _deviation(online[num]),
            f"frozen_auc_{num}": float(np.mean(frozen[num])),
            f"frozen_auc_{num}_sd": _deviation(frozen[num]),
            f"online_stream_auc_{num}": float(np.mean(pooled[num])),
        }
    findings.values |= {
        "seeds": list(plan.seeds),
        "num_rows": len(rows),
        "num_batch_rows": _cut(rows, plan),
        "frozen_stream_auc": float(np.mean(pooled[0])),
        "auc_by_shard": by_shard,
    }
    return findings


def _run(
    rows: LabelledRows, plan: SyncPlan, seed: int, on_progress: Progress
) -> tuple[dict[int, npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """By number of shards the scores of every row of the stream, and those of the frozen copy; float32[n], by place among all rows."""
    definition = labelled_definition(rows, dim=plan.dim, hidden=plan.hidden, batch_size=plan.batch_size, seed=seed)
    learner = Learner(rows, definition)
    log = MemoryLog()
    published = PublishedModel(learner.state, log, lambda: 0)
    cut = _cut(rows, plan)
    learner.learn(np.arange(cut))
    published.publish(cut)
    starts = {num: {int(part[0]) for part in _shards(rows, plan, num)} for num in plan.shards}
    bounds = sorted({cut, len(rows)}.union(*starts.values()))
    scores = {num: np.zeros(len(rows), np.float32) for num in plan.shards}
    with tempfile.TemporaryDirectory() as folder:
        copies = {num: Follower(definition, log, Path(folder)) for num in (*plan.shards, 0)}
        copies[0].follow()
        for start, end in pairwise(bounds):
            part = np.arange(start, end)
            for num in plan.shards:
                if start in starts[num]:
                    copies[num].follow()
                scores[num][part] = learner.scores(part, copies[num].predictor)
            learner.learn(part)
            published.publish(end)
            on_progress(f"stream, seed {seed}", part.size, len(rows) - cut)
        standing = np.zeros(len(rows), np.float32)
        standing[cut:] = learner.scores(np.arange(cut, len(rows)), copies[0].predictor)
    return scores, standing


def _cut(rows: LabelledRows, plan: SyncPlan) -> int:
    return int(len(rows) * plan.batch_share)


def _shards(rows: LabelledRows, plan: SyncPlan, num: int) -> list[Rows]:
    return [part for part in np.array_split(np.arange(_cut(rows, plan), len(rows)), num) if part.size]


def _aucs(scores: npt.NDArray[np.float32], rows: LabelledRows, parts: Sequence[Rows]) -> list[float]:
    """Of each shard with both labels."""
    found = [auc(scores[part], rows.labels[part]) for part in parts]
    return [value for value in found if value is not None]


def _mean_auc(scores: npt.NDArray[np.float32], rows: LabelledRows, parts: Sequence[Rows]) -> float:
    found = _aucs(scores, rows, parts)
    return float(np.mean(found)) if found else 0.5


def _percent(values: Sequence[float]) -> str:
    return f"{100 * np.mean(values):.2f} ± {100 * _deviation(values):.3f}"


def _deviation(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
