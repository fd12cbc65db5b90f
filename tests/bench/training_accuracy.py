"""The AUC of float32 and of mixed bfloat16 on the same batches, each scored before it is learned from."""

from __future__ import annotations

import itertools

import numpy as np

from engine.evaluation.auc import auc
from tests.bench import criteo_like
from tests.bench.criteo_like import Ids
from tests.bench.training_engine import EngineStep
from tests.bench.training_setting import BATCH

PRECISIONS = {"float32": "float32", "bf16": "bfloat16_mixed"}


def compared(num_batches: int, seed: int) -> dict[str, float]:
    """`auc_float32`, `auc_bf16` and how far apart they are, over the second half of a Zipf stream on which nobody was trained before."""
    steps = {name: EngineStep(precision) for name, precision in PRECISIONS.items()}
    scores: dict[str, list[np.ndarray]] = {name: [] for name in steps}
    labels = []
    for number, batch in enumerate(itertools.islice(criteo_like.stream(Ids.ZIPF, BATCH, seed), num_batches)):
        found = {name: step.scored(step.prepared(batch)) for name, step in steps.items()}
        if 2 * number >= num_batches:
            labels.append(batch.labels)
            for name, (of_batch, _) in found.items():
                scores[name].append(of_batch)
    held_out = np.concatenate(labels)
    values = {f"auc_{name}": auc(np.concatenate(of_one), held_out) for name, of_one in scores.items()}
    known = {name: value for name, value in values.items() if value is not None}
    known["auc_difference"] = abs(known["auc_bf16"] - known["auc_float32"])
    return {name: round(value, 6) for name, value in known.items()}
