"""Click logs from files, and what came before each click."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from engine.errors import InvalidDocument
from engine.evaluation.replay.click_log import (
    ClickColumns,
    chain,
    previous_same,
    read_click_log,
    sessions_by_gap,
)

TEXT = "user_id,item_id,timestamp,os\nb,x,3000,mac\na,y,1000,\na,x,2000,mac\n"


def test_a_log_is_sorted_by_time_and_numbered(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text(TEXT)
    log = read_click_log(path, ClickColumns(context=("os",)))
    assert log.times_ms.tolist() == [1000, 2000, 3000]
    assert [log.user_ids[user] for user in log.users] == ["a", "a", "b"]
    assert [log.item_ids[item] for item in log.items] == ["y", "x", "x"]
    assert [log.context_values["os"][code] for code in log.context["os"]] == ["", "mac", "mac"]


def test_a_log_reads_the_same_from_every_form(tmp_path: Path) -> None:
    columns = ClickColumns(time_unit="s")
    (tmp_path / "a.csv").write_text(TEXT)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "a.csv.zst").write_bytes(zstandard.compress(TEXT.encode()))
    table = pa.table({"user_id": ["b", "a", "a"], "item_id": ["x", "y", "x"], "timestamp": [3000, 1000, 2000]})
    pq.write_table(table, tmp_path / "a.parquet")
    logs = [read_click_log(path, columns) for path in sorted(tmp_path.iterdir())]
    assert len(logs) == 4
    for log in logs:
        assert log.times_ms.tolist() == [1_000_000, 2_000_000, 3_000_000]
        assert [log.item_ids[item] for item in log.items] == ["y", "x", "x"]


def test_a_missing_column_is_named_with_those_that_exist(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text(TEXT)
    with pytest.raises(InvalidDocument, match=r"article.*is not a column; the columns are user_id, item_id"):
        read_click_log(path, ClickColumns(item="article"))


def test_a_time_that_is_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("user_id,item_id,timestamp\na,x,soon\n")
    with pytest.raises(InvalidDocument, match="timestamp: must be a number"):
        read_click_log(path, ClickColumns())


def test_a_session_ends_after_half_an_idle_hour() -> None:
    users = np.array([0, 1, 0, 0, 1], np.int32)
    minutes = np.array([0, 1, 29, 60, 62])
    sessions = sessions_by_gap(users, minutes * 60_000)
    assert sessions[0] == sessions[2] != sessions[3]
    assert sessions[1] != sessions[4]
    assert len(set(sessions.tolist())) == 4


def test_a_chain_goes_back_through_equal_keys_newest_first() -> None:
    previous = previous_same(np.array([7, 8, 7, 7, 8]))
    assert previous.tolist() == [-1, -1, 0, 2, 1]
    assert chain(previous, np.array([3, 4]), 3).tolist() == [[2, 0, -1], [1, -1, -1]]
