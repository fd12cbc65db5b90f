"""How a click log is replayed. Imports nothing heavy, so that a command's help needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from engine.spec.definition import ModelDefinition

_HOUR_MS: Final = 3_600_000

CURVE_MS: Final[dict[str, int | None]] = {
    "frozen": None,
    "24 h": 24 * _HOUR_MS,
    "5 h": 5 * _HOUR_MS,
    "1 h": _HOUR_MS,
    "30 min": _HOUR_MS // 2,
    "1 min": 60_000,
    "10 s": 10_000,
}
RANKER_INPUTS: Final = ("counters", "ids")


@dataclass(frozen=True, slots=True)
class Sources:
    """How many candidates each source gives."""

    popular: int = 200
    together: int = 200
    latest: int = 20


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """`train_share`: of the clicks that the ranker learns from; `num_negatives`: candidates beside the clicked one, on average.

    `intervals_ms`: by name how often each copy is synced, None for never after the warm-up. `step_ms`: how often the trainer learns and
    publishes, a divisor of `refresh_ms`.
    """

    refresh_ms: int = 60_000
    step_ms: int = 60_000
    warmup_ms: int = 24 * _HOUR_MS
    train_share: float = 0.25
    num_negatives: int = 50
    dense_interval_ms: int = 60_000
    seed: int = 17
    sources: Sources = field(default_factory=Sources)
    intervals_ms: Mapping[str, int | None] = field(default_factory=lambda: {"1 min": 60_000})


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What to measure. `share` of the clicks after the warm-up are predicted; `curve_share` of them for the curve, whose copies each rank
    every one. `curve`: names among `CURVE_MS`.

    `inputs`: the rankers of the curve, `counters` (with what is counted, always live) and `ids` (nothing but ids: what it knows of the
    present is in its parameters).
    """

    settings: ReplaySettings = field(default_factory=ReplaySettings)
    share: float = 0.05
    curve_share: float = 0.4
    definition: ModelDefinition | None = None
    curve: Sequence[str] = ()
    inputs: Sequence[str] = ("counters",)
    with_pipeline: bool = True
    batch_models: Sequence[str] = ()
