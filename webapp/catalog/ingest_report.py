"""What became of each row of a batch of events, column by column until somebody asks for it row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import Problem
from engine.spec.block_validation import EncodedEvents
from engine.streams.log import Position

_NO_PROBLEMS: tuple[()] = ()


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row. `partition` and `offset` are its place in the log, for an accepted row only."""

    index: int
    event_id: str | None
    status: Literal["accepted", "repeated", "rejected"]
    partition: int | None = None
    offset: int | None = None
    problems: tuple[Problem, ...] = ()


class IngestReport:
    """`positions` maps the numbers of the good rows that were accepted to their places; the other good ones are repeats.

    `schema_version` is the version of the schema that judged all of them.
    """

    def __init__(
        self, num_rows: int, encoded: EncodedEvents, positions: Mapping[int, Position], schema_version: int
    ) -> None:
        self._encoded, self._positions = encoded, positions
        self.schema_version = schema_version
        self.num_accepted = len(positions)
        self.num_rejected = len(encoded.rejected)
        self.num_repeated = num_rows - self.num_accepted - self.num_rejected

    @property
    def results(self) -> list[RowResult]:
        """One for each row, in the rows' order; made anew at each call."""
        problems = {row.index: row.problems for row in self._encoded.rejected}
        return [
            RowResult(**{**one, "problems": problems.get(one["index"], _NO_PROBLEMS)})  # the columns of RowResult
            for one in self.as_json()
        ]

    def as_json(self, *, rejected_only: bool = False) -> list[dict[str, Any]]:
        """The fields of `RowResult` as plain JSON, one object for each row in the rows' order."""
        refused = [_refused(row.index, row.problems) for row in self._encoded.rejected]
        if rejected_only:
            return refused
        taken = self._taken()
        return sorted(taken + refused, key=_index) if refused else taken

    def _taken(self) -> list[dict[str, Any]]:
        position_of = self._positions.get
        return [
            {
                "index": index,
                "event_id": event_id,
                "status": "accepted",
                "partition": position.partition,
                "offset": position.offset,
                "problems": _NO_PROBLEMS,
            }
            if (position := position_of(number)) is not None
            else _repeated(index, event_id)
            for number, (index, event_id) in enumerate(zip(self._encoded.indexes, self._encoded.event_ids, strict=True))
        ]


def _repeated(index: int, event_id: str) -> dict[str, Any]:
    return _row(index, event_id, "repeated")


def _refused(index: int, problems: tuple[Problem, ...]) -> dict[str, Any]:
    return _row(index, None, "rejected") | {"problems": [problem.as_dict() for problem in problems]}


def _row(index: int, event_id: str | None, status: str) -> dict[str, Any]:
    row = {"index": index, "event_id": event_id, "status": status}
    return {**row, "partition": None, "offset": None, "problems": _NO_PROBLEMS}


def _index(row: Mapping[str, Any]) -> int:
    return int(row["index"])
