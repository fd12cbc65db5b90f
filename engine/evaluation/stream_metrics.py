"""Prequential metrics: of scores given before each example was learned. Older examples count ever less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from engine.evaluation.auc import NUM_BINS, Floats, StreamingAuc
from engine.evaluation.hit_rate import HitRates

HALF_LIFE_EXAMPLES: Final = 20_000.0


class DecayedMean:
    """Mean of a stream in which each value counts exp2(-age / half_life), age in values."""

    def __init__(self, half_life: float, total: float = 0.0, weight: float = 0.0) -> None:
        self.half_life = half_life
        self.total = total
        self.weight = weight

    def note(self, mean: float, num: int) -> None:
        """Take in `num` values by their mean."""
        decay = 2.0 ** (-num / self.half_life)
        self.total = self.total * decay + mean * num
        self.weight = self.weight * decay + num

    @property
    def value(self) -> float | None:
        return self.total / self.weight if self.weight else None


class StreamMetrics:
    """Loss, AUC, log loss and hit rates over the recent stream; part of the checkpoint."""

    def __init__(self) -> None:
        self.loss = DecayedMean(HALF_LIFE_EXAMPLES)
        self.log_loss = DecayedMean(HALF_LIFE_EXAMPLES)
        self.auc = StreamingAuc(HALF_LIFE_EXAMPLES)
        self.hits = HitRates()

    def note(self, loss: float, scores: Floats, labels: Floats, *, with_log_loss: bool) -> None:
        """A step's loss, and its scores in [0, 1] with labels; log loss only where the scores are probabilities."""
        if not scores.size:
            return
        self.loss.note(loss, scores.size)
        self.auc.note(scores, labels)
        if with_log_loss:
            self.log_loss.note(log_loss(scores, labels), scores.size)

    def values(self) -> dict[str, float | None]:
        """`loss`, `auc`, `log_loss`, `hr_at_10`, `hr_at_10_frozen`; None where nothing can be said yet."""
        return {"loss": self.loss.value, "auc": self.auc.value, "log_loss": self.log_loss.value, **self.hits.values()}

    def as_json(self) -> dict[str, Any]:
        means = {name: [mean.total, mean.weight] for name, mean in (("loss", self.loss), ("log_loss", self.log_loss))}
        return {**means, "auc": [row.tolist() for row in self.auc.histograms], "hits": self.hits.as_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> StreamMetrics:
        """Raises ValueError, KeyError or TypeError on a document that `as_json` did not make."""
        metrics = cls()
        metrics.loss = DecayedMean(HALF_LIFE_EXAMPLES, *document["loss"])
        metrics.log_loss = DecayedMean(HALF_LIFE_EXAMPLES, *document["log_loss"])
        histograms = np.array(document["auc"], np.float64)
        if histograms.shape != (2, NUM_BINS):
            raise ValueError(f"auc: must be 2 histograms of {NUM_BINS} bins, received shape {histograms.shape}")
        metrics.auc.histograms = histograms
        metrics.hits = HitRates(hits=document["hits"])
        return metrics


def log_loss(scores: Floats, labels: Floats) -> float:
    """Mean of -ln(probability given to what happened), probabilities kept 1e-7 away from 0 and 1."""
    clipped = np.clip(scores.astype(np.float64), 1e-7, 1.0 - 1e-7)
    return float(-np.where(labels > 0.5, np.log(clipped), np.log1p(-clipped)).mean())
