"""What is watched: each kind with its unit, its limits until a project sets its own, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class AlertKind(StrEnum):
    FRESHNESS = "freshness"
    JOINER_LAG = "joiner_lag"
    TRAINER_LAG = "trainer_lag"
    ERROR_RATE = "error_rate"
    CALIBRATION = "calibration"
    DISK = "disk"
    BAD_ROWS = "bad_rows"
    REPLICA_GONE = "replica_gone"
    RUN_FAILED = "run_failed"


@dataclass(frozen=True, slots=True)
class Kind:
    """`threshold` and values are in `unit`; an alert fires above it, for `for_s` seconds without a break.

    Without `has_threshold` there is nothing to set but whether it is on: it fires as soon as it is so.
    """

    label: str
    about: str
    unit: str
    threshold: float
    for_s: int
    advice: str
    has_threshold: bool = True

    def words(self, value: float) -> str:
        """The value with its unit."""
        if self.unit == "%":
            return f"{value:.3g} %"
        if self.unit == "s":
            return f"{value:,.1f} s" if value < 120 else f"{value / 60:,.0f} min"
        return f"{value:,.0f} {self.unit}"


KINDS: Final[Mapping[AlertKind, Kind]] = {
    AlertKind.FRESHNESS: Kind(
        "Freshness",
        "p95 over the newest 5 minutes of the time from an event's receipt to a replica answering with what it taught, by canary events",
        "s",
        10,
        120,
        "See on Parameter sync who is late: the trainer's publishes or a replica.",
    ),
    AlertKind.JOINER_LAG: Kind(
        "Joiner lag",
        "Events in the log that the joiner has not read yet",
        "events",
        50_000,
        120,
        "Start a worker of the queue joiner, or wait until a flood of events is worked off.",
    ),
    AlertKind.TRAINER_LAG: Kind(
        "Trainer lag",
        "Examples in the log that an online run has not learned from yet",
        "examples",
        50_000,
        300,
        "A larger batch or a smaller model learns faster; the run's page shows where its time goes.",
    ),
    AlertKind.ERROR_RATE: Kind(
        "Error rate",
        "Share of recommendation calls in the newest 5 minutes that failed in the server (status 5xx)",
        "%",
        1,
        60,
        "See whether replicas live and what their last error was; the web processes' log has each failure.",
    ),
    AlertKind.CALIBRATION: Kind(
        "Calibration drift",
        "How far the mean prediction of an online run is from what was observed, over its newest scored examples",
        "%",
        30,
        600,
        "Compare the run's curves with when it began: a changed schema, a new client or a negative sampling rate moves it.",
    ),
    AlertKind.DISK: Kind(
        "Disk",
        "Share of the disk of the data folder that is used",
        "%",
        90,
        60,
        "Free space, keep the log for less time, or move the data folder to a larger disk.",
    ),
    AlertKind.BAD_ROWS: Kind(
        "Bad rows",
        "Rows refused in the newest 10 minutes: by the API, by imports, and from the topic",
        "rows",
        100,
        0,
        "Look at what they have in common, mend the sender or the schema, and replay them.",
    ),
    AlertKind.REPLICA_GONE: Kind(
        "Replica gone",
        "Time since a replica that serves this project was heard of, unless it stopped by itself in good order",
        "s",
        30,
        0,
        "Its process has ended or hangs: start it again; its log says why.",
    ),
    AlertKind.RUN_FAILED: Kind(
        "Run failed",
        "A training run of the last 24 hours was given up and no newer one of its model version follows",
        "runs",
        0,
        0,
        "The run's page has the error of its last attempt.",
        has_threshold=False,
    ),
}

CLEAR_SHARE: Final = 0.9
"""A firing alert is over once its value was no more than this share of the threshold for `CALM_FOR_S`."""

CALM_FOR_S: Final = 60
