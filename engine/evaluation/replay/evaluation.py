"""Everything about one click log in one replay: floors, the pipeline, and the pipeline at several sync intervals."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.errors import InvalidDocument, Problem
from engine.evaluation.findings import Findings, best_of
from engine.evaluation.intervals import Estimate, gain_of, mean_of
from engine.evaluation.replay.batch_models import replay_batch_models
from engine.evaluation.replay.click_log import ClickLog
from engine.evaluation.replay.features import CandidateFeatures
from engine.evaluation.replay.floors import replay_floors
from engine.evaluation.replay.moments import chosen_clicks
from engine.evaluation.replay.pipeline import Pipeline, PipelineResult
from engine.evaluation.replay.ranker import ranker_definition
from engine.evaluation.replay.settings import CURVE_MS, ReplayPlan, ReplaySettings

Places = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many clicks of it were gone through just now, and of how many."""

LIST_LENGTH: Final = 10
METRIC: Final = f"hit_rate_at_{LIST_LENGTH}"
PIPELINE: Final = "pipeline"


def evaluate_replay(log: ClickLog, plan: ReplayPlan, on_progress: Progress = lambda *_: None) -> Findings:
    """Floors, batch models and the pipeline on the same clicks. Raises `InvalidDocument` when no click can be predicted."""
    evaluation = _Evaluation(log, plan, on_progress)
    evaluation.measure_floors()
    if plan.with_pipeline:
        evaluation.measure_pipeline()
    if plan.curve:
        evaluation.measure_curve()
    return evaluation.findings


class _Evaluation:
    """One log, the clicks of it that are predicted, and what was found so far."""

    def __init__(self, log: ClickLog, plan: ReplayPlan, on_progress: Progress) -> None:
        self._log, self._plan, self._on_progress = log, plan, on_progress
        self._seed = plan.settings.seed
        self._predicted = chosen_clicks(log, plan.settings.warmup_ms, plan.share, self._seed)
        if not self._predicted.any():
            problem = Problem(
                "time", "must go on after the warm-up, so that a click can be predicted", f"{len(log)} clicks"
            )
            raise InvalidDocument("click log", [problem])
        self.findings = Findings(
            "Clicks replayed in event order, each predicted from the past only, over the whole catalogue"
        )
        self._hits: dict[str, npt.NDArray[np.bool_]] = {}
        self._best_floor = ""

    def measure_floors(self) -> None:
        log, settings = self._log, self._plan.settings
        floors = replay_floors(
            log, self._predicted, refresh_ms=settings.refresh_ms, on_progress=lambda num: self._told("floors", num)
        )
        for name, ranks in floors.ranks.items():
            self._note(name, ranks, self._predicted)
        best = best_of(self.findings, METRIC, list(floors.ranks))
        batch = replay_batch_models(log, self._predicted, self._plan.batch_models, settings, self._told)
        for name, ranks in batch.items():
            self._note(name, ranks, self._predicted)
        self._best_floor = best.name
        self.findings.values |= {
            "num_clicks": len(log),
            "num_predicted": int(self._predicted.sum()),
            "num_items": log.num_items,
            "seed": self._seed,
            "best_floor": best.name,
            **_prefixed("best_floor_", best.figures[METRIC]),
        }

    def measure_pipeline(self) -> None:
        result = run_pipeline(
            self._log, self._predicted, self._plan, self._plan.settings, "counters", self._on_progress, PIPELINE
        )
        (ranks,) = result.ranks.values()
        found = self._note(PIPELINE, ranks, self._predicted)
        users = self._log.users[self._predicted]
        gain = gain_of(self._hits[PIPELINE], self._hits[self._best_floor], seed=self._seed, groups=users)
        self.findings.values |= {
            **_prefixed("", found),
            **gain.as_values("gain_over_best_floor"),
            "candidate_recall": result.num_recalled / int(self._predicted.sum()),
            "num_learned_clicks": result.num_learned,
        }

    def measure_curve(self) -> None:
        drawn = np.random.default_rng([self._seed, 3]).random(len(self._log)) < self._plan.curve_share
        predicted = self._predicted & drawn
        self.findings.values["num_predicted_by_curve"] = int(predicted.sum())
        for inputs in self._plan.inputs if predicted.any() else ():
            curve = _curve(self._log, predicted, self._plan, inputs, self._on_progress)
            for name, ranks in curve.ranks.items():
                found = self._note(f"{inputs}, {name}", ranks, predicted)
                self.findings.values |= _prefixed(f"{inputs}_synced_{name.replace(' ', '_')}_", found)
            self.findings.values[f"{inputs}_published_bytes"] = curve.num_published_bytes

    def _note(self, name: str, ranks: Places, clicks: npt.NDArray[np.bool_]) -> Estimate:
        """A row of the table; answers its hit rate."""
        users = self._log.users[clicks]
        hits = ranks < LIST_LENGTH
        gains = np.where(hits, 1.0 / (ranks + 1.0), 0.0)
        found = mean_of(hits, seed=self._seed, groups=users)
        self._hits[name] = hits
        self.findings.add(name, {METRIC: found, f"mrr_at_{LIST_LENGTH}": mean_of(gains, seed=self._seed, groups=users)})
        return found

    def _told(self, name: str, num: int) -> None:
        self._on_progress(name, num, len(self._log))


def _curve(
    log: ClickLog, predicted: npt.NDArray[np.bool_], plan: ReplayPlan, inputs: str, on_progress: Progress
) -> PipelineResult:
    intervals = {name: CURVE_MS[name] for name in plan.curve}
    fastest = min((each for each in intervals.values() if each is not None), default=plan.settings.refresh_ms)
    settings = replace(plan.settings, intervals_ms=intervals, step_ms=min(fastest, plan.settings.refresh_ms))
    return run_pipeline(log, predicted, plan, settings, inputs, on_progress, f"sync, {inputs}")


def run_pipeline(  # noqa: PLR0917 - one replay in full
    log: ClickLog,
    predicted: npt.NDArray[np.bool_],
    plan: ReplayPlan,
    settings: ReplaySettings,
    inputs: str,
    on_progress: Progress,
    name: str,
) -> PipelineResult:
    """One replay with a ranker of its own."""
    features = CandidateFeatures(log)
    definition = plan.definition or ranker_definition(
        features.names if inputs == "counters" else [], list(log.context), seed=settings.seed
    )
    with tempfile.TemporaryDirectory() as snapshots:
        pipeline = Pipeline(log, definition, features, predicted, settings, Path(snapshots))
        return pipeline.run(lambda num: on_progress(name, num, len(log)))


def _prefixed(prefix: str, figure: object) -> dict[str, object]:
    assert isinstance(figure, Estimate)
    return {f"{prefix}{name}": value for name, value in figure.as_values(METRIC).items()}
