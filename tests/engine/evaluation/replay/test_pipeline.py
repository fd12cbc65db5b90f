"""The pipeline learns what co-occurs, from the past only, and copies follow it by the sync path at their own pace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.evaluation.replay.click_log import ClickLog
from engine.evaluation.replay.evaluation import evaluate_replay
from engine.evaluation.replay.features import CandidateFeatures
from engine.evaluation.replay.moments import chosen_clicks
from engine.evaluation.replay.pipeline import Pipeline, PipelineResult
from engine.evaluation.replay.ranker import Pairs, joined, ranker_definition, target_ranks
from engine.evaluation.replay.settings import ReplayPlan, ReplaySettings
from engine.features.encoded import EncodedBatch, SlotValues
from tests.engine.evaluation.replay.small_log import MINUTE_MS, generated_log

SETTINGS = ReplaySettings(warmup_ms=25 * MINUTE_MS, train_share=1.0, num_negatives=10)


@pytest.fixture(scope="module")
def log() -> ClickLog:
    return generated_log(1600)


def _run(log: ClickLog, settings: ReplaySettings, folder: Path, *, ids_only: bool = False) -> PipelineResult:
    features = CandidateFeatures(log)
    definition = ranker_definition([] if ids_only else features.names, list(log.context), hidden=[16])
    predicted = chosen_clicks(log, settings.warmup_ms, 1.0, settings.seed)
    return Pipeline(log, definition, features, predicted, settings, folder).run()


def _hits(ranks: np.ndarray, length: int = 1) -> float:
    return float((ranks < length).mean())


def test_the_ranker_learns_to_put_the_partner_first(log: ClickLog, tmp_path: Path) -> None:
    result = _run(log, SETTINGS, tmp_path)
    (ranks,) = result.ranks.values()
    predicted = chosen_clicks(log, SETTINGS.warmup_ms, 1.0, SETTINGS.seed)
    is_second = log.items[predicted] % 2 == 1
    assert _hits(ranks[is_second]) > 0.6
    assert result.num_learned > 1000
    assert result.num_published_bytes > 0


def test_what_comes_after_changes_no_prediction_before(log: ClickLog, tmp_path: Path) -> None:
    whole = _run(log, SETTINGS, tmp_path)
    part = _run(log.first(1200), SETTINGS, tmp_path)
    first, second = whole.ranks["1 min"], part.ranks["1 min"]
    # Floating-point sums may differ in their last bits from run to run.
    assert (first[: second.size] == second).mean() > 0.999


def test_a_copy_synced_more_often_is_no_worse_where_only_ids_are_known(log: ClickLog, tmp_path: Path) -> None:
    intervals = {"frozen": None, "10 min": 10 * MINUTE_MS, "1 min": MINUTE_MS}
    ranks = _run(log, replace(SETTINGS, intervals_ms=intervals), tmp_path, ids_only=True).ranks
    assert _hits(ranks["1 min"], 3) > _hits(ranks["frozen"], 3) + 0.05
    assert _hits(ranks["1 min"], 3) >= _hits(ranks["10 min"], 3)


def test_steps_within_a_refresh_learn_the_same_clicks(log: ClickLog, tmp_path: Path) -> None:
    one = _run(log.first(900), SETTINGS, tmp_path)
    six = _run(log.first(900), replace(SETTINGS, step_ms=10_000, intervals_ms={"10 s": 10_000}), tmp_path)
    assert one.num_learned == six.num_learned


def test_an_evaluation_reports_floors_pipeline_gain_and_curve(log: ClickLog) -> None:
    told: list[tuple[str, int, int]] = []
    plan = ReplayPlan(
        SETTINGS,
        share=1.0,
        curve_share=1.0,
        curve=["frozen", "1 min"],
        inputs=["counters", "ids"],
        batch_models=["als", "bpr"],
    )
    findings = evaluate_replay(log, plan, lambda *progress: told.append(progress))
    names = [row.name for row in findings.rows]
    assert names[:3] == ["popular_1h", "popular_6h", "popular_24h"]
    assert names[-7:] == ["als", "bpr", "pipeline", "counters, frozen", "counters, 1 min", "ids, frozen", "ids, 1 min"]
    values: dict[str, Any] = findings.as_values()
    assert values["hit_rate_at_10_low"] <= values["hit_rate_at_10"] <= values["hit_rate_at_10_high"]
    assert values["gain_over_best_floor"] == pytest.approx(
        values["hit_rate_at_10"] / values["best_floor_hit_rate_at_10"] - 1
    )
    assert "ids_synced_1_min_hit_rate_at_10" in values
    for name in {name for name, _, _ in told}:
        assert sum(num for told_name, num, _ in told if told_name == name) == len(log)


def _pairs(rows: list[int], targets: list[bool], clicks: list[int], num_items: int) -> Pairs:
    def batch(num_rows: int) -> EncodedBatch:
        fids = np.arange(num_rows, dtype=np.uint64)
        return EncodedBatch(
            {"slot": SlotValues(fids, np.arange(num_rows + 1, dtype=np.int32))},
            np.zeros((num_rows, 0), np.float32),
            num_rows,
        )

    return Pairs(
        user=batch(len(clicks)),
        items=batch(num_items),
        pairs=None,
        user_rows=np.array(rows, np.int32),
        item_rows=np.arange(len(rows), dtype=np.int32) % num_items,
        is_target=np.array(targets),
        clicks=np.array(clicks),
    )


def test_target_ranks_count_within_each_click() -> None:
    pairs = _pairs([0, 0, 0, 1, 1, 2], [False, True, False, True, False, False], [5, 6, 7], 3)
    scores = np.array([0.9, 0.5, 0.1, 0.3, 0.3, 0.8], np.float32)
    assert target_ranks(pairs, scores, 99).tolist() == [1, 0, 99]


def test_joined_pairs_keep_each_part_in_order() -> None:
    first, second = _pairs([0, 1], [True, False], [5, 6], 2), _pairs([0, 0], [False, True], [7], 1)
    whole = joined([first, second])
    assert whole.user_rows.tolist() == [0, 1, 2, 2]
    assert whole.item_rows.tolist() == [0, 1, 2, 2]
    assert whole.user.slots["slot"].fids.tolist() == [0, 1, 0]
    assert whole.user.slots["slot"].offsets.tolist() == [0, 1, 2, 3]
    assert whole.clicks.tolist() == [5, 6, 7]
