"""Which items a ranker is asked about: the most clicked, those that co-occur with the session, and the latest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engine.evaluation.replay.features import Asked, CandidateFeatures
from engine.evaluation.replay.settings import Sources

Places = npt.NDArray[np.int64]


def candidates(features: CandidateFeatures, asked: Asked, sources: Sources) -> tuple[Places, Places]:
    """Pairs (row of `asked`, column in play), int64[p] each, row by row: the union of the sources without the session's items."""
    shape = asked.seen_in_session.shape
    chosen = np.zeros(shape, np.bool_)
    together = asked.together["together_6h"]
    if shape[1] > sources.together:
        places = np.argpartition(-together, sources.together - 1, axis=1)[:, : sources.together]
    else:
        places = np.broadcast_to(np.arange(shape[1]), shape)
    np.put_along_axis(chosen, places, np.take_along_axis(together, places, axis=1) > 0, axis=1)
    chosen[:, _highest(features.popularity(), sources.popular)] = True
    chosen[:, features.newest(sources.latest)] = True
    rows, columns = np.nonzero(chosen & ~asked.seen_in_session)
    return rows, columns


def _highest(values: npt.NDArray[np.float32], num: int) -> Places:
    """Places of the highest positive values."""
    places = np.argsort(-values, kind="stable")[:num]
    return places[values[places] > 0]
