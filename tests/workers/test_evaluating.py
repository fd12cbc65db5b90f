"""`manage.py evaluate` and `manage.py experiment`, on tiny files and without a database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from workers.reports import ROOT


def _ratings(path: Path, num_rows: int = 600) -> Path:
    rng = np.random.default_rng(0)
    users, items = rng.integers(40, size=num_rows), rng.integers(30, size=num_rows)
    ratings = np.where(users % 2 == items % 2, 5, 2)
    rows = zip(users, items, ratings, np.arange(num_rows), strict=True)
    path.write_text("".join(f"{user}\t{item}\t{rating}\t{time}\n" for user, item, rating, time in rows))
    return path


def _clicks(path: Path, num_sessions: int = 300) -> Path:
    rng = np.random.default_rng(0)
    lines = ["who,what,when,device\n"]
    for number in range(num_sessions):
        item, device = 2 * int(rng.integers(6)), "phone" if number % 3 else "desk"
        lines += [f"{number % 50},{item + step},{number * 20 + 5 * step},{device}\n" for step in (0, 1)]
    path.write_text("".join(lines))
    return path


def _run(folder: Path, *arguments: Any) -> tuple[str, dict[str, Any]]:
    out = StringIO()
    call_command(*map(str, arguments), "--reports", str(folder / "reports"), stdout=out)
    (report,) = (folder / "reports").glob("*.json")
    return out.getvalue(), json.loads(report.read_text())


HEADER = ("--header", "user", "item", "rating", "timestamp")
QUICK = ("--models", "two_tower", "--epochs", "1", "--patience", "0")


def test_it_evaluates_ratings_as_clicks_and_writes_a_report(tmp_path: Path) -> None:
    path = _ratings(tmp_path / "u.data")
    text, report = _run(tmp_path, "evaluate", "ratings", path, "--threshold", "4", *HEADER, *QUICK)
    assert "co-occurrence" in text
    assert "freshet two_tower" in text
    assert {"commit", "machine", "command", "measured_at", "seeds", "rows"} <= set(report)
    best = next(row for row in report["rows"] if row["name"] == "co-occurrence")
    assert best["hit_rate_at_10_low"] <= best["hit_rate_at_10"] <= best["hit_rate_at_10_high"]


def test_it_splits_by_time(tmp_path: Path) -> None:
    path = _ratings(tmp_path / "u.data")
    columns = ("--user", "user", "--item", "item", "--rating", "rating")
    _, report = _run(tmp_path, "evaluate", "time-split", path, *columns, *HEADER, *QUICK, "--k", "5")
    assert "recall_at_5" in report["rows"][0]


def test_it_ranks_each_item_among_given_negatives(tmp_path: Path) -> None:
    (tmp_path / "train").write_text(
        "".join(f"{user}\t{item}\n" for user in range(8) for item in range(user % 2, 10, 2))
    )
    (tmp_path / "test").write_text("".join(f"{user}\t{10 + user % 2}\n" for user in range(8)))
    (tmp_path / "negatives").write_text("".join("20\t21\t22\n" for _ in range(8)))
    files = [part for name in ("train", "test", "negatives") for part in (f"--{name}", tmp_path / name)]
    _, report = _run(tmp_path, "evaluate", "leave-one-out", *files, *QUICK)
    assert report["num_negatives"] == 3
    assert report["num_tested_users"] == 8


def test_it_measures_fixed_lists(tmp_path: Path) -> None:
    (tmp_path / "train").write_text("".join(f"{user} {user % 3} {3 + user % 3} 9\n" for user in range(12)))
    (tmp_path / "test").write_text("".join(f"{user} {6 + user % 3}\n" for user in range(12)))
    files = ("--train", tmp_path / "train", "--test", tmp_path / "test")
    _, report = _run(tmp_path, "evaluate", "fixed-lists", *files, *QUICK)
    assert {"recall_at_20", "ndcg_at_20"} <= set(report["rows"][0])
    assert set(report["missing"]) == {"popular, last 24 h", "popular, last 1 h"}


def test_it_replays_a_click_log(tmp_path: Path) -> None:
    path = _clicks(tmp_path / "clicks.csv")
    columns = ("--user", "who", "--item", "what", "--time", "when", "--time-unit", "s", "--context", "device")
    text, report = _run(tmp_path, "evaluate", "replay", path, *columns, "--warmup-h", "0.5", "--share", "0.5")
    assert "pipeline" in text
    assert 0 < report["hit_rate_at_10"] <= 1
    assert report["best_floor"] in {row["name"] for row in report["rows"]}


def test_it_runs_the_papers_experiments_with_plots(tmp_path: Path) -> None:
    path = _ratings(tmp_path / "u.data")
    quick = ("--delimiter", "\t", *HEADER, "--seeds", "1", "--dim", "4", "--hidden", "4")
    _, report = _run(tmp_path, "experiment", "collisions", path, *quick, "--epochs", "2")
    assert len(report["curves"]) == 4
    assert (tmp_path / "reports" / "experiment-collisions.png").exists()
    (tmp_path / "reports" / "experiment-collisions.json").unlink()
    _, report = _run(tmp_path, "experiment", "sync-interval", path, *quick, "--time", "timestamp", "--shards", "2")
    assert 0 <= report["online_auc_2"] <= 1
    assert (tmp_path / "reports" / "experiment-sync-interval.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay", "nowhere.csv"), "nowhere.csv is not there"),
        (("ratings", "{file}", "--header", "a", "b", "c", "d"), "user: is not a column"),
        (
            ("time-split", "{file}", "--test-share", "2", *HEADER, "--user", "user", "--item", "item"),
            "--test-share must",
        ),
    ],
)
def test_it_says_what_is_wrong_with_its_input(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    path = _ratings(tmp_path / "u.data")
    with pytest.raises(CommandError, match=said):
        call_command("evaluate", *(str(path) if each == "{file}" else each for each in arguments))


def test_it_needs_no_database(tmp_path: Path) -> None:
    path = _ratings(tmp_path / "u.data")
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9/0"}
    command = [sys.executable, "manage.py", "evaluate", "ratings", path, *HEADER, "--models", "--reports", tmp_path]
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=os.environ | nowhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "popular" in done.stdout
