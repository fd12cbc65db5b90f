"""Where a batch run of several epochs stands: what it goes over, what it holds out, and how each epoch did."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from engine.errors import CorruptRecord
from engine.spec.early_stopping import EarlyStopping

PLAN_FILE: Final = "epochs.json"

Offsets = dict[int, int]


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What an epoch came to: its number from 0, the metrics of the examples held out, and whether none before was better."""

    epoch: int
    values: dict[str, float | None]
    is_best: bool


@dataclass(slots=True)
class EpochPlan:
    """Epochs go from `starts` to `splits`, the examples held out from there to `ends` (partition -> offset): fixed when it begins."""

    starts: Offsets
    splits: Offsets
    ends: Offsets
    results: list[EpochResult] = field(default_factory=list)

    @classmethod
    def begin(cls, starts: Offsets, ends: Offsets, fraction: float) -> EpochPlan:
        """Hold out the last `fraction` of each partition, at least one example where there are two."""
        splits = {}
        for partition, end in ends.items():
            num = max(0, end - starts.get(partition, 0))
            held_out = min(max(round(num * fraction), min(1, num)), max(0, num - 1))
            splits[partition] = end - held_out
        return cls({partition: starts.get(partition, 0) for partition in ends}, splits, dict(ends))

    @property
    def num_learned(self) -> int:
        """Examples of one epoch."""
        return sum(max(0, split - self.starts[partition]) for partition, split in self.splits.items())

    @property
    def num_held_out(self) -> int:
        return sum(max(0, end - self.splits[partition]) for partition, end in self.ends.items())

    @property
    def best(self) -> EpochResult | None:
        """The last that was better than all before it."""
        return next((result for result in reversed(self.results) if result.is_best), None)

    def judge(self, values: dict[str, float | None], rule: EarlyStopping, name: str | None = None) -> EpochResult:
        """Whether the next epoch, with these metrics, is the best so far; one without a value is only if it is the first.

        `name` is that of the metric among the values, where it is not the first task's.
        """
        name = name or rule.metric.value
        best, value = self.best, values.get(name)
        known = None if best is None else best.values.get(name)
        if best is None or (known is None and value is not None):
            is_best = True
        elif known is None or value is None:
            is_best = False
        else:
            gain = known - value if rule.metric.falls else value - known
            is_best = gain > rule.min_delta
        return EpochResult(len(self.results), values, is_best)

    def is_over(self, rule: EarlyStopping) -> bool:
        """Whether there were enough epochs, or enough without a better one."""
        if len(self.results) >= rule.max_epochs:
            return True
        best = self.best
        return best is not None and len(self.results) - 1 - best.epoch >= rule.patience

    def save(self, directory: Path) -> None:
        """Whole or not at all."""
        document = {name: {str(key): value for key, value in getattr(self, name).items()} for name in _OFFSETS}
        results = [{"epoch": one.epoch, "values": one.values, "is_best": one.is_best} for one in self.results]
        aside = directory / f"{PLAN_FILE}.part"
        directory.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(orjson.dumps({**document, "results": results}))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(directory / PLAN_FILE)

    @classmethod
    def load(cls, directory: Path) -> EpochPlan | None:
        """The plan of the run that was interrupted here, if any. Raises `CorruptRecord` for a file that is none."""
        path = directory / PLAN_FILE
        if not path.is_file():
            return None
        try:
            document: dict[str, Any] = orjson.loads(path.read_bytes())
            offsets = {name: {int(key): int(value) for key, value in document[name].items()} for name in _OFFSETS}
            return cls(**offsets, results=[EpochResult(**result) for result in document["results"]])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptRecord(f"{path} is no plan of epochs: {error}") from error


_OFFSETS: Final = ("starts", "splits", "ends")
