"""A log of choices with their propensities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import InvalidDocument, Problem
from engine.evaluation.files import codes_of, read_columns

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChoiceColumns:
    """Which column is what. `strata`: what the choice may depend on (a position, a day); `features`: what else a model may know."""

    item: str = "item_id"
    reward: str = "click"
    propensity: str = "propensity_score"
    strata: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class ChoiceLog:
    """n choices: `items` int32[n] among `item_ids`, `strata` int32[n] (one number for each combination), `rewards` float64[n],
    `propensities` float64[n] in (0, 1]; `features` by name: int32[n] codes and their values."""

    items: Codes
    strata: Codes
    rewards: Floats
    propensities: Floats
    item_ids: list[str]
    stratum_ids: list[str]
    features: dict[str, tuple[Codes, list[str]]]

    def __len__(self) -> int:
        return self.items.size

    @property
    def num_items(self) -> int:
        return len(self.item_ids)


def read_choices(paths: list[Path], columns: ChoiceColumns) -> list[ChoiceLog]:
    """Several logs under the same numbers. Raises `InvalidDocument` for a propensity that is none, OSError."""
    wanted = [columns.item, columns.reward, columns.propensity, *columns.strata, *columns.features]
    tables = [read_columns(path, list(dict.fromkeys(wanted)), delimiter=columns.delimiter) for path in paths]
    whole = pa.concat_tables(tables)
    items, item_ids = codes_of(whole[columns.item])
    keys = [codes_of(whole[name]) for name in columns.strata]
    strata, stratum_ids = _combined(keys, len(whole))
    rewards = whole[columns.reward].cast(pa.float64()).to_numpy()
    propensities = whole[columns.propensity].cast(pa.float64()).to_numpy()
    wrong = ~((propensities > 0) & (propensities <= 1))
    if wrong.any():
        received = str(propensities[wrong][0])
        raise InvalidDocument("log", [Problem(columns.propensity, "must be above 0 and at most 1", received)])
    features = {name: codes_of(whole[name]) for name in columns.features}
    ends = np.cumsum([len(table) for table in tables])
    logs = []
    for start, end in zip(np.r_[0, ends[:-1]], ends, strict=True):
        own = slice(int(start), int(end))
        cut = {name: (codes[own], values) for name, (codes, values) in features.items()}
        logs.append(ChoiceLog(items[own], strata[own], rewards[own], propensities[own], item_ids, stratum_ids, cut))
    return logs


def _combined(keys: list[tuple[Codes, list[str]]], num_rows: int) -> tuple[Codes, list[str]]:
    """One number for each combination of several columns' values that occurs."""
    combined, names = np.zeros(num_rows, np.int64), [""]
    for codes, values in keys:
        combined = combined * len(values) + codes
        names = [f"{name} {value}".strip() for name in names for value in values]
    used, numbers = np.unique(combined, return_inverse=True)
    return numbers.ravel().astype(np.int32), [names[place] for place in used]
