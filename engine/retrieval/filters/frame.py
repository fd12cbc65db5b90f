"""What an expression is worked out over: rows of a catalogue, and one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import Rows
from engine.spec.expression_parameters import ParameterValue

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RequestValues:
    """What an expression may read of a request. `user_id` is "" for nobody, which is null. `now_ms` is when the request came."""

    now_ms: int
    user_id: str = ""
    user: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """`values` with its parameters checked: times and durations in ms."""

    values: RequestValues
    parameters: Mapping[str, ParameterValue]


@dataclass(frozen=True, slots=True)
class Frame:
    """`rows` int32[size], or None for all rows below `num_rows`, which was read before any column."""

    catalogue: Catalogue
    rows: Rows | None
    num_rows: int
    request: Request

    @property
    def size(self) -> int:
        return self.num_rows if self.rows is None else int(self.rows.size)

    def at(self, by_row: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Of an array by row what belongs to this frame; a view where it is all rows."""
        return by_row[: self.num_rows] if self.rows is None else by_row[self.rows]

    def own_rows(self) -> Rows:
        return np.arange(self.num_rows, dtype=np.int32) if self.rows is None else self.rows

    def narrowed(self, chosen: npt.NDArray[np.intp]) -> Frame:
        """To the places `chosen` of this frame."""
        rows = chosen.astype(np.int32) if self.rows is None else self.rows[chosen]
        return Frame(self.catalogue, rows, self.num_rows, self.request)

    def nothing(self) -> Mask:
        return np.zeros(self.size, np.bool_)
