"""When a batch run has learned enough."""

from __future__ import annotations

from enum import StrEnum

from pydantic import ConfigDict, Field

from engine.spec.document import Document, Name


class WatchedMetric(StrEnum):
    """What is watched on the examples held out: the last three of a task that predicts a number."""

    AUC = "auc"
    GROUPED_AUC = "grouped_auc"
    LOG_LOSS = "log_loss"
    NORMALISED_ENTROPY = "normalised_entropy"
    MAE = "mae"
    RMSE = "rmse"
    RMSE_LOG = "rmse_log"

    @property
    def falls(self) -> bool:
        """Whether less is better."""
        return self not in (WatchedMetric.AUC, WatchedMetric.GROUPED_AUC)

    @property
    def needs_probabilities(self) -> bool:
        """Whether there is none for scores that say nothing but an order."""
        return self in (WatchedMetric.LOG_LOSS, WatchedMetric.NORMALISED_ENTROPY)

    @property
    def is_of_numbers(self) -> bool:
        """Whether it is an error of predicted numbers."""
        return self in (WatchedMetric.MAE, WatchedMetric.RMSE, WatchedMetric.RMSE_LOG)


class EarlyStopping(Document):
    """A batch run goes over the earlier examples again and again, scores the last of them after each epoch without learning, and ends
    with the parameters of the best epoch once no epoch was better for a while. The examples held out are learned last of all, once.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    fraction: float = Field(default=0.1, gt=0, lt=1, description="the share of examples held out: the last by the log")
    patience: int = Field(default=2, ge=1, le=1000, description="epochs without a better one before it ends")
    min_delta: float = Field(default=0.0, ge=0, le=1, description="what counts as better must be so by more than this")
    max_epochs: int = Field(default=20, ge=1, le=1000, description="it ends after so many in any case")
    metric: WatchedMetric = Field(default=WatchedMetric.AUC, description="of the examples held out")
    task: Name | None = Field(default=None, description="whose metric it is; without it the first task's")
