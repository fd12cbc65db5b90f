from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.retrieval.item_rows import Rows
from engine.retrieval.source import Found, Scores
from engine.serving.gathered import Gathered, fused, merged, mixed


def found(*pairs: tuple[int, float]) -> Found:
    return Found(np.array([row for row, _ in pairs], np.int32), np.array([score for _, score in pairs], np.float32))


def read(gathered: Gathered) -> list[tuple[int, Any, str]]:
    names = [gathered.names[code] for code in gathered.codes.tolist()]
    return list(zip(gathered.rows.tolist(), gathered.scores.tolist(), names, strict=True))


def by_row(rows: Rows) -> Scores:
    return (rows / 8).astype(np.float32)


def test_what_several_sources_bring_counts_once_under_the_first_of_them() -> None:
    gathered = merged([("a", found((4, 9), (2, 8))), ("b", found((2, 1), (6, 1))), ("c", found())], by_row)
    assert read(gathered) == [(4, 0.5, "a"), (2, 0.25, "a"), (6, 0.75, "b")]


def test_nothing_found_is_nothing_gathered() -> None:
    assert read(merged([], by_row)) == read(mixed([], [])) == read(fused([])) == []


def test_mixed_scores_are_weighted_shares_of_each_source() -> None:
    sure, unsure = found((1, 10.0)), found((2, 1.0), (1, 1.0), (3, 2.0))
    gathered = mixed([("sure", sure), ("unsure", unsure)], [0.3, 0.8])
    # 1: all of the first source's weight and a quarter of the other's
    assert read(gathered) == [
        (1, pytest.approx(0.5), "sure"),
        (2, pytest.approx(0.2), "unsure"),
        (3, pytest.approx(0.4), "unsure"),
    ]


def test_a_source_whose_scores_say_nothing_adds_nothing() -> None:
    assert [score for _, score, _ in read(mixed([("latest", found((1, 0.0), (2, 0.0)))], [0.5]))] == [0.0, 0.0]


def test_fusion_prefers_what_both_lists_have() -> None:
    gathered = fused([("near", found((1, 0.9), (2, 0.8))), ("together", found((3, 7.0), (2, 6.0)))])
    assert read(gathered) == [
        (2, pytest.approx(61 / 62), "near"),
        (1, pytest.approx(0.5), "near"),
        (3, pytest.approx(0.5), "together"),
    ]
    alone = fused([("near", found((5, 0.9), (6, 0.8)))])
    assert [score for _, score, _ in read(alone)] == pytest.approx([1.0, 61 / 62])


def test_more_rows_get_the_next_source() -> None:
    gathered = merged([("a", found((4, 1)))], by_row).with_rows(
        np.array([7], np.int32), "promoted", np.array([-1.0], np.float32)
    )
    assert read(gathered) == [(4, 0.5, "a"), (7, -1.0, "promoted")]
    assert read(gathered.at(np.array([1, 0]))) == [(7, -1.0, "promoted"), (4, 0.5, "a")]
    assert read(gathered.first(1)) == [(4, 0.5, "a")]
