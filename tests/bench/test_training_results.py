"""What `make bench-training` makes of the rates of its contestants."""

from __future__ import annotations

import math

import pytest

from tests.bench import training_results as results
from tests.bench.criteo_like import Ids
from tests.bench.training_contestants import CONTESTANTS, PEERS

RATES = {
    "freshet": [120.0, 300.0, 150.0],
    "freshet_bf16": [200.0, 200.0, 200.0],
    "tensorflow": [100.0, 100.0, 50.0],
    "torch": [80.0, 200.0, 100.0],
    "parquet": [240.0, 150.0, 300.0],
}


def test_knowing_nothing_of_a_fair_coin_costs_log_two() -> None:
    assert results.knowing_nothing(0.5) == pytest.approx(math.log(2))


def test_the_best_peer_is_found_anew_each_round_and_freshet_is_none() -> None:
    assert results.best_peer(RATES) == [100.0, 200.0, 100.0]


def test_ratios_are_medians_over_rounds_to_that_rounds_best_peer() -> None:
    values = results.stream_values(Ids.ZIPF, RATES)
    assert values["examples_per_s"] == 150.0
    assert values["torch_examples_per_s"] == 100.0
    assert values["ratio_to_best_peer"] == 1.5  # of 1.2, 1.5 and 1.5
    assert values["ratio_to_best_peer_bf16"] == 2.0  # of 2, 1 and 2
    assert values["parquet_ratio_to_step"] == 2.0  # of 2, 0.5 and 2
    assert "trainer_ratio_to_best_peer" not in values  # it was not measured


def test_figures_of_uniform_ids_say_so() -> None:
    zipf, uniform = (results.stream_values(ids, RATES) for ids in Ids)
    assert uniform == {f"{key}_uniform": value for key, value in zipf.items()}
    assert "ratio_to_best_peer_uniform" in uniform


def test_without_any_peer_there_is_no_ratio() -> None:
    assert results.stream_values(Ids.ZIPF, {"freshet": [1.0]}) == {"examples_per_s": 1.0}


def test_every_contestant_has_its_line_and_a_missing_one_says_so() -> None:
    rows = {row[0]: row[1:] for row in results.rate_rows({Ids.ZIPF: RATES}, {"tfra": "no wheel"})}
    assert set(rows) == {listed.title for listed in CONTESTANTS.values()}
    assert rows[CONTESTANTS["tfra"].title] == ["missing", "", "", "missing", "", ""]
    assert rows[CONTESTANTS["torch"].title] == ["100", "20480.0", "1.00", "", "", ""]


def test_the_issue_names_six_peers() -> None:
    assert set(PEERS) == {"keras", "tensorflow", "tfra", "torch", "torch_compiled", "fbgemm"}


def test_a_reach_is_met_at_its_limit_and_one_not_measured_says_so() -> None:
    rows = {row[0]: row[2:] for row in results.goal_rows({"ratio_to_best_peer": 1.25, "table_share_of_step": 0.16})}
    assert rows[results.GOALS[0][0]] == ["1.25", "met"]
    assert rows["table and boundary, of the step, Zipf ids"] == ["0.16", "not met"]
    assert rows[results.GOALS[1][0]] == ["not measured", ""]
