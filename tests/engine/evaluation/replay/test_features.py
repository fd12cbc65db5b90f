"""What a candidate's numbers are, and that they know nothing of the click they describe."""

from __future__ import annotations

import numpy as np
import pytest

from engine.evaluation.replay.candidates import candidates
from engine.evaluation.replay.click_log import ClickLog
from engine.evaluation.replay.features import CandidateFeatures
from engine.evaluation.replay.moments import Moment, moments
from engine.evaluation.replay.settings import Sources
from tests.engine.evaluation.replay.small_log import MINUTE_MS, generated_log, log_of


def _at(
    log: ClickLog, moment: Moment, clicks: list[int]
) -> tuple[list[str], np.ndarray, np.ndarray, CandidateFeatures]:
    features = CandidateFeatures(log)
    features.advance(moment)
    asked = features.asked(np.array(clicks))
    columns = np.arange(len(features.active))
    rows = np.zeros(columns.size, np.int64)
    return features.names, features.of_pairs(asked, rows, columns), features.active.items, features


def test_counters_count_what_was_before_the_moment() -> None:
    log = log_of([(0, 0, 0, 0), (1, 1, 0, 20), (1, 2, 1, 29), (0, 3, 0, 31)])
    names, values, items, _ = _at(log, Moment(30 * MINUTE_MS, 3, 4), [3])
    row = dict(zip(names, values[items.tolist().index(0)], strict=True))
    assert (row["clicks_10m"], row["clicks_1h"], row["clicks_24h"]) == (1, 2, 2)
    assert row["clicks_30m"] == pytest.approx(2**-1 + 2 ** (-10 / 30), rel=1e-5)
    assert row["age_h"] == pytest.approx(0.5)
    assert row["idle_min"] == pytest.approx(10)
    assert row["seen_before"] == 1
    # user 0 is of device "phone", as is only the click at minute 0
    assert row["clicks_device"] == pytest.approx(2**-0.5, rel=1e-5)
    other = dict(zip(names, values[items.tolist().index(1)], strict=True))
    assert (other["seen_before"], other["rank_1h"]) == (0, 1)


def test_no_feature_depends_on_the_click_it_describes_or_on_what_comes_after() -> None:
    log = generated_log(600)
    half = next(moment for moment in moments(log, MINUTE_MS) if moment.start > 250)
    changed = np.array(log.items)
    changed[half.start :] = changed[half.start :][::-1]
    other = ClickLog(
        log.users, changed, log.sessions, log.times_ms, log.context, log.user_ids, log.item_ids, log.context_values
    )
    first = _at(log, half, [half.start])
    second = _at(other, half, [half.start])
    assert first[2].tolist() == second[2].tolist()
    assert first[1] == pytest.approx(second[1])


def test_candidates_are_the_union_of_their_sources_without_the_session() -> None:
    log = log_of([(0, 0, item, item) for item in range(6)] + [(1, 1, 5, 6), (1, 1, 4, 7.5), (2, 2, 0, 7.6)])
    features = CandidateFeatures(log)
    features.advance(Moment(7 * MINUTE_MS, 7, 9))
    rows, columns = candidates(features, features.asked(np.array([7, 8])), Sources(popular=1, together=2, latest=1))
    items = features.active.items[columns]
    # item 5 is the most clicked and the latest; click 7's session has it, and what co-occurs with it is there
    assert 5 not in items[rows == 0]
    assert len(items[rows == 0]) == 2
    assert items[rows == 1].tolist() == [5]
