"""`python -m tests.bench cold_start`: whom films reach that a two-tower model has never seen, with and without stand-ins for their ids."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from engine.features.columns import columns_for_items, columns_from_examples
from engine.features.encoded import EncodedBatch, FloatArray
from engine.models.forward import Predictor
from engine.retrieval.cold_start import SEARCHED_AT_ONCE, ColdStart
from engine.retrieval.fid_owners import FidOwners
from engine.spec.definition import ModelDefinition, Side
from engine.training.state import TrainingState
from tests.bench.cold_films import Films, read_films
from tests.bench.report import Report, say, say_table
from tests.engine.training.made import as_logged
from workers.evaluations.running import data_folder

_BATCH: Final = 512
_LIST: Final = 200
_SHORT_LIST: Final = 50

Figures = dict[str, float]


def run(*, quick: bool) -> None:
    """Print a table and write `reports/bench-cold-start.json`: means over the seeds of `zeros_<figure>` and `stand_ins_<figure>`.

    `cold_hit_at_50` and `_200`: how often a film that was never learned is among the best of all for who liked it next; `warm_hit_...`
    the same of films that were; `cold_auc` how often it is before another film that was never learned; `cold_share` of lists of 200.
    """
    report = Report("bench-cold-start")
    folder = data_folder() / "ml-100k"
    if not folder.is_dir():
        say(f"{folder} is not there; give the folder that has it in FRESHET_DATA")
        return
    found: list[dict[str, Figures]] = []
    for seed in range(1 if quick else 3):
        generator = np.random.default_rng(seed)
        found.append(_measured(read_films(folder, generator), generator, num_epochs=2 if quick else 6))
    means = {
        way: {name: float(np.mean([one[way][name] for one in found])) for name in found[0][way]} for way in found[0]
    }
    names = list(means["zeros"])
    say(f"MovieLens 100K, a seventh of the films never learned, {len(found)} seeds")
    say_table(["the id's row", *names], [[way, *(f"{means[way][name]:.3f}" for name in names)] for way in means])
    report.write({f"{way.replace('-', '_')}_{name}": value for way in means for name, value in means[way].items()})


def _measured(films: Films, generator: np.random.Generator, num_epochs: int) -> dict[str, Figures]:
    state = _learned(films, generator, num_epochs)
    predictor = Predictor(state.definition, state.store, state.architecture)
    item_ids = sorted(films.properties)
    columns = columns_for_items(
        item_ids, [films.properties[each] for each in item_ids], state.encoder.sources(Side.ITEM)
    )
    items = state.encoder.encode(columns, len(item_ids), Side.ITEM)
    asking = columns_from_examples(films.asked, state.encoder.sources(Side.USER))
    users = predictor.user_vectors(state.encoder.encode(asking, len(films.asked), Side.USER))
    is_cold = np.array([item_id in films.cold for item_id in item_ids])
    place_of = {item_id: place for place, item_id in enumerate(item_ids)}
    liked = np.array([place_of[example.item_id] for example in films.asked])
    zeros = predictor.item_vectors(items)
    return {
        "zeros": _figures(users @ zeros.T, liked, is_cold),
        "stand-ins": _figures(users @ _with_stand_ins(state, predictor, items).T, liked, is_cold),
    }


def _learned(films: Films, generator: np.random.Generator, num_epochs: int) -> TrainingState:
    state = TrainingState(_definition())
    offset = 0
    for epoch in range(num_epochs):
        # As it happened, then in any order.
        order = generator.permutation(len(films.learned)) if epoch else np.arange(len(films.learned))
        for start in range(0, len(order), _BATCH):
            batch = [films.learned[place] for place in order[start : start + _BATCH].tolist()]
            state.learn(as_logged(batch, offset))
            offset += len(batch)
    return state


def _definition() -> ModelDefinition:
    sources = {
        "user": "user.id",
        "item": "item.id",
        "genres": "item.genres",
        "year": "item.year",
        "age": "user.age",
        "gender": "user.gender",
        "job": "user.job",
    }
    slots: list[dict[str, Any]] = [
        {"name": name, "number": number, "source": source} for number, (name, source) in enumerate(sources.items(), 1)
    ]
    slots.append({"name": "history", "number": 8, "source": "user.history", "shares": "item"})
    architecture = {"kind": "two_tower", "output_dim": 32, "hidden": [64]}
    training = {"batch_size": _BATCH, "linger_s": 0.0}
    return ModelDefinition.parse({"slots": slots, "architecture": architecture, "training": training})


def _with_stand_ins(state: TrainingState, predictor: Predictor, items: EncodedBatch) -> FloatArray:
    rows = np.arange(items.num_rows, dtype=np.int32)
    owners = FidOwners()
    cold_start = ColdStart(state.encoder, owners)
    owners.write(rows, items, ["item"])
    cold_start.write(rows, items)
    for _ in range(-(-items.num_rows // SEARCHED_AT_ONCE)):
        found = cold_start.stand_ins(rows, items, state.store)
    return predictor.item_vectors(items, found)


def _figures(scores: FloatArray, liked: np.ndarray[Any, Any], is_cold: np.ndarray[Any, Any]) -> Figures:
    own = scores[np.arange(len(liked)), liked][:, np.newaxis]
    ranks = (scores > own).sum(axis=1)
    of_cold = is_cold[liked]
    shown = np.argpartition(-scores, _LIST, axis=1)[:, :_LIST]
    return {
        "cold_hit_at_50": float((ranks[of_cold] < _SHORT_LIST).mean()),
        "cold_hit_at_200": float((ranks[of_cold] < _LIST).mean()),
        "cold_auc": float((scores[of_cold][:, is_cold] < own[of_cold]).mean()),
        "warm_hit_at_50": float((ranks[~of_cold] < _SHORT_LIST).mean()),
        "warm_hit_at_200": float((ranks[~of_cold] < _LIST).mean()),
        "cold_share": float(is_cold[shown].mean()),
        "cold_share_of_items": float(is_cold.mean()),
    }
