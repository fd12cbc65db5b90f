"""What `make bench-engine` makes of the figures that its processes answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import engine_results as results
from tests.bench.engine import _run
from tests.bench.engine_plan import IN_CPP, Run, runs
from tests.bench.engine_plot import plotted

MAIN = 10_000_000
LOOKUP = "lookup_uniform_64k_1t_share_of_gather"


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (Run("std", "speed", MAIN), f"std_{LOOKUP}"),
        (Run("std", "speed", MAIN, with_state=True), f"std_{LOOKUP}_with_adagrad"),
        (Run("std", "memory", 100_000), f"std_{LOOKUP}_100k"),
        (Run("std", "speed", 50_000_000, with_state=True), f"std_{LOOKUP}_with_adagrad_50m"),
        (Run("tfra", "python", MAIN), f"python_tfra_{LOOKUP}"),
    ],
)
def test_a_flat_name_says_contestant_state_and_size(run: Run, expected: str) -> None:
    assert results.flat_names(run, {LOOKUP: 0.5}, MAIN) == {expected: 0.5}


def test_a_ratio_to_another_table_is_one_share_by_the_other() -> None:
    found = results.documented({f"freshet_{LOOKUP}": 0.6, f"boost_inline_{LOOKUP}": 0.4})
    assert found["lookup_share_of_gather"] == 0.6
    assert found["lookup_ratio_to_boost_inline"] == 1.5
    assert "lookup_ratio_to_cuckoo" not in found  # libcuckoo was not measured


def test_growing_is_compared_with_the_fastest_other_table() -> None:
    rates = {"freshet": 12.0, "std": 2.0, "absl_index": 8.0}
    values = {f"{name}_growth_keys_per_s": rate for name, rate in rates.items()}
    assert results.documented(values)["growth_ratio_to_best_library"] == 1.5


@pytest.mark.parametrize(
    ("goal", "value", "is_met"),
    [("≥ 0.55", 0.55, True), ("≥ 0.55", 0.54, False), ("≤ 15", 14.9, True), ("≤ 15", 15.1, False)],
)
def test_a_goal_is_met_at_its_limit(goal: str, value: float, is_met: bool) -> None:
    assert results.meets(goal, value) is is_met


def test_a_goal_that_was_not_measured_says_so() -> None:
    assert all(row[2] == "not measured" and row[3] == "" for row in results.goal_rows({}))


def test_every_contestant_has_its_line_though_it_was_not_measured() -> None:
    titles = {row[0] for row in results.lookup_rows({})}
    assert titles == {listed.title for listed in IN_CPP.values()} | {"bare gather, 64-byte rows"}


@pytest.mark.parametrize("quick", [True, False])
def test_no_two_runs_write_the_same_figure(quick: bool) -> None:
    main = 1_000_000 if quick else MAIN
    names = [name for run in runs(quick=quick) for name in results.flat_names(run, {run.measure: 1.0}, main)]
    assert len(names) == len(set(names))


def test_the_plot_has_a_bar_for_each_figure_and_is_xml() -> None:
    drawn = plotted({f"freshet_{LOOKUP}": 0.6, f"std_{LOOKUP}": 0.2})
    bars = [each for each in ElementTree.fromstring(drawn).iter() if each.tag.endswith("rect") and each.get("x")]
    assert [float(str(bar.get("width"))) for bar in bars] == pytest.approx([520.0, 520.0 / 3], abs=0.1)


def test_a_contestant_that_fails_is_told_by_its_last_words() -> None:
    with pytest.raises(RuntimeError, match="wrong: the checksum"):
        _run([sys.executable, "-c", "import sys; sys.exit('first\\nwrong: the checksum')"], 10)


def test_a_contestant_that_does_not_end_is_ended() -> None:
    with pytest.raises(RuntimeError, match=r"not done after 0\.2 s"):
        _run([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)


def test_the_last_line_that_a_contestant_prints_is_its_answer(tmp_path: Path) -> None:
    text = json.dumps({"figure": 1.5})
    assert _run([sys.executable, "-c", f"print('noise'); print('{text}')"], 10) == {"figure": 1.5}
