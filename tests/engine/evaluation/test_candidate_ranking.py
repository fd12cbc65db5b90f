from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.evaluation.candidate_ranking import NUM_POPULAR, CandidateRanking, encode_items
from engine.features.columns import columns_from_examples
from engine.models.forward import Predictor
from engine.spec.definition import Side
from engine.spec.example import Example
from engine.training.state import TrainingState
from tests.engine.training.made import as_logged, make_definition, make_example

NUM_OFTEN = 250
CUP, SAUCER = 900, 901


def actions() -> list[Example]:
    """Items 0 to 249 by as many users, three times each; then two users take the cup and the saucer, once each."""
    often = [(100 * turn + item, item) for turn in range(3) for item in range(NUM_OFTEN)]
    rare = [(5_000 + user, item) for user in range(2) for item in (CUP, SAUCER)]
    return [make_example(number, user, item) for number, (user, item) in enumerate([*often, *rare])]


@pytest.fixture(scope="module")
def state() -> TrainingState:
    state = TrainingState(make_definition("deepfm"))
    examples = actions()
    for start in range(0, len(examples), 64):
        state.learn(as_logged(examples[start : start + 64], start))
    return state


def asking(item: int, *history: int) -> Example:
    return make_example(9_999, 1, item, history=tuple(f"item-{each}" for each in history))


def test_candidates_are_the_popular_and_those_that_go_with_the_history(state: TrainingState) -> None:
    predictor = Predictor(state.definition, state.store, state.architecture)
    ranking = CandidateRanking(state, predictor, predictor)
    examples = [asking(SAUCER, 3, CUP), asking(SAUCER, 3), asking(SAUCER)]
    user = state.encoder.encode(columns_from_examples(examples, state.encoder.sources(Side.USER)), 3, Side.USER)
    live, frozen = ranking.scores(user, examples)
    np.testing.assert_array_equal(live, frozen)
    saucer = ranking.columns_of(state.catalogue.known_rows([f"item-{SAUCER}"]))[0]
    assert np.isfinite(live[0, saucer]) and (live[1:, saucer] == -np.inf).all()
    # Users took three items each, so that item 3 goes with others of which some are popular already.
    together = [f"item-{CUP}", "item-3"]
    found = state.item_to_item.find([together], 200)
    expected = {SAUCER} | {int(each[5:]) for each in state.item_to_item.ids(found.rows)}
    rows = ranking.rows_of(np.flatnonzero(np.isfinite(live[0])).astype(np.int32))
    shown = {int(each[5:]) for each in state.catalogue.ids(rows.tolist())}
    assert expected <= shown and len(shown - expected) <= NUM_POPULAR
    assert np.isfinite(live[2]).sum() == NUM_POPULAR


def test_scores_are_the_models_own_however_the_pairs_were_cut(
    state: TrainingState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.evaluation.candidate_ranking._PAIRS_AT_ONCE", 77)
    predictor = Predictor(state.definition, state.store, state.architecture)
    ranking = CandidateRanking(state, predictor, predictor)
    examples = [asking(SAUCER, CUP), asking(SAUCER, 3)]
    user = state.encoder.encode(columns_from_examples(examples, state.encoder.sources(Side.USER)), 2, Side.USER)
    live, _ = ranking.scores(user, examples)
    columns = np.flatnonzero(np.isfinite(live[1])).astype(np.int32)
    items = encode_items(state, ranking.rows_of(columns).astype(np.int64))
    alone = state.encoder.encode(columns_from_examples(examples[1:], state.encoder.sources(Side.USER)), 1, Side.USER)
    np.testing.assert_allclose(predictor.pair_scores(alone, items), live[1, columns], rtol=1e-5)


def test_what_goes_together_comes_back_from_a_checkpoint(state: TrainingState, tmp_path: Path) -> None:
    state.save(tmp_path, 1)
    restored = TrainingState.restore(state.definition, tmp_path)
    before, after = state.item_to_item.to_arrow(), restored.item_to_item.to_arrow()
    assert after.items.equals(before.items, check_metadata=True) and after.contexts.equals(before.contexts)
    (folder,) = (tmp_path / "checkpoints").iterdir()
    assert (folder / "item_to_item.arrow").is_file()


@pytest.mark.parametrize(("kind", "evaluate_fraction"), [("two_tower", 0.1), ("deepfm", 0.0)])
def test_candidates_that_nobody_asks_for_are_not_kept(kind: str, evaluate_fraction: float) -> None:
    state = TrainingState(make_definition(kind, training={"evaluate_fraction": evaluate_fraction}))
    state.learn(as_logged(actions()[:64]))
    assert len(state.item_to_item) == 0
