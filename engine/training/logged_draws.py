"""Negatives that the joiner drew, and whose counters it logged with the example (`engine.spec.example.Draws`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.features.encoded import FloatArray
from engine.spec.example import Example, Origin
from engine.training.item_catalogue import ItemCatalogue, RowArray

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LoggedDraws:
    """Of n examples, `has` bool[n]: which bring negatives; `own_rates` float32[n]: of those, how often their own item is drawn.

    Of m negatives, `askers` int64[m]: the example that each is of; `items` int64[m]: its row of the catalogue; `rates` float32[m]: how
    often it is drawn; `counters`: its values by name. A rate is the number of draws times the probability of one.
    """

    has: Flags
    own_rates: FloatArray
    askers: RowArray
    items: RowArray
    rates: FloatArray
    counters: list[Mapping[str, float]]


def logged_draws(
    examples: Sequence[Example], asks: Flags, num_negatives: int, catalogue: ItemCatalogue, *, wanted: bool
) -> LoggedDraws:
    """At most `num_negatives` for each example without impression that `asks` bool[n] for them; none unless `wanted`.

    Of what was drawn the first are taken, and count as their share of the draws. An item that the catalogue does not know, as its
    examples came before the log begins, is left out: nobody knows its properties.
    """
    has = np.zeros(len(examples), np.bool_)
    own_rates = np.ones(len(examples), np.float32)
    found: list[tuple[int, int, float]] = []
    counters: list[Mapping[str, float]] = []
    for place in np.flatnonzero(asks).tolist() if wanted else ():
        example, drawn = examples[place], examples[place].drawn
        if drawn is None or example.origin is not Origin.ACTION:
            continue
        chosen = drawn.items[:num_negatives]
        num_draws = drawn.num_draws * len(chosen) / len(drawn.items)
        has[place] = True
        own_rates[place] = num_draws * drawn.own_probability
        for each in chosen:
            row = catalogue.row_of(each.item_id)
            if row is not None:
                found.append((place, row, num_draws * each.count / drawn.num_recent))
                counters.append(dict(zip(example.counters, each.counters, strict=True)))
    askers, items, rates = zip(*found, strict=True) if found else ((), (), ())
    return LoggedDraws(
        has, own_rates, np.array(askers, np.int64), np.array(items, np.int64), np.array(rates, np.float32), counters
    )
