from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from engine.spec.example import Example
from engine.training import hot_ids
from engine.training.hot_ids import KEPT_IDS, SHOWN_IDS, HotIds
from engine.training.state import TrainingState
from tests.engine.training.made import as_logged, make_definition, make_example, make_examples


def learned(examples: list[Example], size: int = 64) -> TrainingState:
    state = TrainingState(make_definition("deepfm"))
    for start in range(0, len(examples), size):
        state.learn(as_logged(examples[start : start + size], start))
    return state


def test_hottest_ids_are_those_counted_by_hand_with_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot_ids, "HALF_LIFE_EXAMPLES", 1e12)
    examples = make_examples(640, num_items=12)
    hottest = learned(examples).hot_ids.hottest()
    users = Counter(example.user_id for example in examples)
    history = Counter(item for example in examples for item in example.history)
    for name, counted in (("user_id", users), ("history", history)):
        shown = {each["id"]: each["per_example"] * 640 for each in hottest[name]}
        assert len(shown) == SHOWN_IDS
        assert shown == pytest.approx({word: counted[word] for word in shown})
        assert min(shown.values()) == counted.most_common(SHOWN_IDS)[-1][1]
    assert [each["id"] for each in hottest["device"]] == ["phone"]


def test_what_was_hot_cools_down() -> None:
    early = [make_example(number, 1, 1) for number in range(640)]
    late = [make_example(number, 2, 2) for number in range(640, 640 + 64)]
    state = learned(early)
    hot_ids.HotIds._merge(state.hot_ids)
    state.hot_ids._count *= 0.01  # as after a long time
    state.learn(as_logged(late, 640))
    assert state.hot_ids.hottest()["user_id"][0]["id"] == "user-2"


def test_memory_is_bounded_whatever_passes() -> None:
    hot = HotIds(make_definition("deepfm"))
    state = TrainingState(make_definition("deepfm"))
    for start in range(0, 3_000, 50):
        examples = [
            replace(make_example(number, number, 1), user_id=f"only-{number}") for number in range(start, start + 50)
        ]
        batch = state.builder.build(as_logged(examples, start), np.zeros(50, np.uint32))
        assert batch is not None
        hot.note(examples, batch.user.slots.items())
        hot.hottest()
    assert np.bincount(hot._slot).max() <= KEPT_IDS


def test_an_id_that_no_recent_example_says_goes_by_its_fid() -> None:
    state = learned([make_example(number, 1, 1) for number in range(64)])
    state.hot_ids._recent.clear()
    assert [each["id"] for each in state.hot_ids.hottest()["user_id"]] == [None]
