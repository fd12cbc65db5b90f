"""What every source of candidates is: one protocol, whether it looks at vectors, at what others do, or at the catalogue.

Candidates are rows of the catalogue, in columns. A source gives its best first and leaves out what is not allowed: it asks `Allowed.keep`
of the rows that it would bring, and only where too few are left `Allowed.mask` of the whole catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from engine.retrieval.asker import Asker
from engine.retrieval.catalogue import ItemChanges

Rows = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float32]


class Action(NamedTuple):
    """A user acted on an item, at `time_ms` since the epoch, which is not later than it was received."""

    user_id: str
    item_id: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a source found, greatest score first, each row once: `rows` int32[n], `scores` float32[n], comparable within one answer of one
    source only."""

    rows: Rows
    scores: Scores

    @classmethod
    def nothing(cls) -> Found:
        return cls(np.empty(0, np.int32), np.empty(0, np.float32))

    def __len__(self) -> int:
        return self.rows.size

    def first(self, num_items: int) -> Found:
        """The best `num_items` of it."""
        return self if num_items >= self.rows.size else Found(self.rows[:num_items], self.scores[:num_items])


class Allowed(Protocol):
    """Which rows one request may be answered with: servable, not excluded, not shown before, not seen (under the policy `drop`), and the
    filters of deployment and request hold. Evaluated when asked, and then remembered; for the one thread of the request."""

    def keep(self, rows: Rows) -> Mask:
        """bool[n]: which of these rows, none of them -1, are allowed. Costs by the number of `rows`."""

    def mask(self) -> Mask:
        """bool[num_rows of the catalogue]: all that is allowed. Costs by the size of the catalogue, once a request."""

    def mask_if_ready(self) -> Mask | None:
        """`mask` where it is there, or is had for less than asking about rows; None otherwise."""


def allowed_first(found: Found, num_items: int, allowed: Allowed) -> Found:
    """The first `num_items` of what was found that are allowed."""
    if num_items <= 0 or not len(found):
        return Found.nothing()
    kept = np.flatnonzero(allowed.keep(found.rows))[:num_items]
    return Found(found.rows[kept], found.scores[kept])


def best_first(rows: Rows, scores: Scores, num_items: int) -> Found:
    """The `num_items` of greatest score, best first; of equals the lower row first. `rows` int32[n], `scores` float32[n]."""
    if 0 < num_items < rows.size:
        least = np.partition(scores, rows.size - num_items)[rows.size - num_items]
        near = scores >= least
        rows, scores = rows[near], scores[near]
    order = np.lexsort((rows, -scores))[: max(0, num_items)]
    return Found(rows[order], scores[order])


class RowSource(Protocol):
    """A source of candidates by row. Safe to call from several threads, and changed by no call."""

    @property
    def name(self) -> str:
        """What answers say of an item that came from here."""

    def retrieve(self, asker: Asker, num_items: int, allowed: Allowed) -> Found:
        """The at most `num_items` allowed items that the source likes best. Deterministic given the source's state."""


class ActionFollower(Protocol):
    """What learns from actions as they happen. Called by one thread at a time."""

    def observe(self, actions: Sequence[Action]) -> None:
        """Actions in the order of the log."""

    def note_catalogue(self, changes: ItemChanges) -> None:
        """Items were written or deleted; those that are not known are no error."""

    def clear(self) -> None:
        """Forget everything: the actions will be told again."""
