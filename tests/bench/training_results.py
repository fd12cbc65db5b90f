"""What `make bench-training` makes of rates, losses and seconds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from tests.bench.criteo_like import Ids
from tests.bench.engine_results import meets
from tests.bench.measuring import median_share
from tests.bench.training_contestants import BFLOAT16, CONTESTANTS, FLOAT32, PARQUET, PEERS, TRAINER
from tests.bench.training_setting import BATCH

Rates = Mapping[str, Sequence[float]]
"""Examples a second by contestant, one of each round."""
GOALS = (
    ("Freshet float32, times the best peer, Zipf ids", "ratio_to_best_peer", "≥ 1.25"),
    ("the same, uniform ids", "ratio_to_best_peer_uniform", "≥ 1.8"),
    ("Freshet bfloat16_mixed, times the best float32 peer, Zipf ids", "ratio_to_best_peer_bf16", "≥ 2"),
    ("AUC of bfloat16_mixed, off that of float32 by", "auc_difference", "≤ 0.0005"),
    ("table and boundary, of the step, Zipf ids", "table_share_of_step", "≤ 0.15"),
    ("encoding from Parquet, times the step", "parquet_ratio_to_step", "≥ 1"),
)


def knowing_nothing(click_rate: float) -> float:
    """The log loss of who says the click rate to everything."""
    return -(click_rate * math.log(click_rate) + (1 - click_rate) * math.log(1 - click_rate))


def best_peer(rates: Rates) -> list[float]:
    """The fastest peer's rate of each round."""
    measured = [rates[name] for name in PEERS if name in rates]
    return [max(of_round) for of_round in zip(*measured, strict=True)]


def stream_values(ids: Ids, rates: Rates) -> dict[str, float]:
    """Rates of everybody measured on one stream, and Freshet's by those of the round's fastest peer; keys of uniform ids say so."""
    found = {f"{_flat(name)}examples_per_s": round(statistics.median(of_one), 1) for name, of_one in rates.items()}
    best = best_peer(rates)
    named = {FLOAT32: "ratio_to_best_peer", BFLOAT16: "ratio_to_best_peer_bf16", TRAINER: "trainer_ratio_to_best_peer"}
    for name, key in named.items():
        if best and name in rates:
            found[key] = round(median_share(rates[name], best), 4)
    if PARQUET in rates and FLOAT32 in rates:
        found["parquet_ratio_to_step"] = round(median_share(rates[PARQUET], rates[FLOAT32]), 4)
    return {key if ids is Ids.ZIPF else f"{key}_{ids}": value for key, value in found.items()}


def _flat(name: str) -> str:
    return "" if name == FLOAT32 else f"{name}_"


def rate_rows(rates: Mapping[Ids, Rates], missing: Mapping[str, str]) -> list[list[str]]:
    """A line for every contestant, with those that could not be had."""
    rows = []
    for name, listed in CONTESTANTS.items():
        row = [listed.title]
        for ids in Ids:
            row += _cells(name, rates.get(ids, {}))
        rows.append(row if name not in missing else [listed.title, *["missing", "", ""] * len(Ids)])
    return rows


def _cells(name: str, rates: Rates) -> list[str]:
    if name not in rates:
        return ["", "", ""]
    rate = statistics.median(rates[name])
    best = best_peer(rates)
    share = f"{median_share(rates[name], best):.2f}" if best else ""
    return [f"{rate:,.0f}", f"{1000 * BATCH / rate:.1f}", share]


def goal_rows(values: Mapping[str, float]) -> list[list[str]]:
    rows = []
    for title, key, goal in GOALS:
        if key in values:
            rows.append([title, goal, f"{values[key]:.4g}", "met" if meets(goal, values[key]) else "not met"])
        else:
            rows.append([title, goal, "not measured", ""])
    return rows
