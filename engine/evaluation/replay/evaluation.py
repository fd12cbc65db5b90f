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
PIPELINE: Final = "pipeline"


def evaluate_replay(log: ClickLog, plan: ReplayPlan, on_progress: Progress = lambda *_: None) -> Findings:
    """Floors, batch models and the pipeline on the same clicks. Raises `InvalidDocument` when no click can be predicted."""
    settings = plan.settings
    predicted = chosen_clicks(log, settings.warmup_ms, plan.share, settings.seed)
    if not predicted.any():
        raise InvalidDocument(
            "click log",
            [Problem("time", "must go on after the warm-up, so that a click can be predicted", f"{len(log)} clicks")],
        )
    users = log.users[predicted]
    findings = Findings("Clicks replayed in event order, each predicted from the past only, over the whole catalogue")

    def note(name: str, ranks: Places) -> npt.NDArray[np.bool_]:
        hits = ranks < LIST_LENGTH
        gains = np.where(hits, 1.0 / (ranks + 1.0), 0.0)
        findings.add(
            name,
            {
                f"hit_rate_at_{LIST_LENGTH}": mean_of(hits, seed=settings.seed, groups=users),
                f"mrr_at_{LIST_LENGTH}": mean_of(gains, seed=settings.seed, groups=users),
            },
        )
        return hits

    floors = replay_floors(
        log, predicted, refresh_ms=settings.refresh_ms, on_progress=lambda num: on_progress("floors", num, len(log))
    )
    hits = {name: note(name, ranks) for name, ranks in floors.ranks.items()}
    best = best_of(findings, "hit_rate_at_10", list(hits))
    for name, ranks in replay_batch_models(
        log, predicted, plan.batch_models, settings, lambda name, num: on_progress(name, num, len(log))
    ).items():
        note(name, ranks)
    findings.values |= {
        "num_clicks": len(log),
        "num_predicted": int(predicted.sum()),
        "num_items": log.num_items,
        "seed": settings.seed,
        "best_floor": best.name,
    }
    findings.values |= _prefixed("best_floor_", best.figures["hit_rate_at_10"])
    if plan.with_pipeline:
        result = run_pipeline(log, predicted, plan, settings, "counters", on_progress, PIPELINE)
        (ranks,) = result.ranks.values()
        own = note(PIPELINE, ranks)
        gain = gain_of(own, hits[best.name], seed=settings.seed, groups=users)
        findings.values |= _prefixed("", findings.rows[-1].figures["hit_rate_at_10"])
        findings.values |= gain.as_values("gain_over_best_floor")
        findings.values |= {
            "candidate_recall": result.num_recalled / int(predicted.sum()),
            "num_learned_clicks": result.num_learned,
        }
    for inputs in plan.inputs if plan.curve else ():
        curve = _curve(log, predicted, plan, inputs, on_progress)
        for name, ranks in curve.ranks.items():
            note(f"{inputs}, {name}", ranks)
            value = findings.rows[-1].figures["hit_rate_at_10"]
            findings.values |= _prefixed(f"{inputs}_synced_{name.replace(' ', '_')}_", value)
        findings.values[f"{inputs}_published_bytes"] = curve.num_published_bytes
    return findings


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
    return {f"{prefix}{name}": value for name, value in figure.as_values("hit_rate_at_10").items()}
