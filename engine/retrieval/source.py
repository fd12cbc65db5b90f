"""What every source of candidates is: one protocol, whether it looks at vectors, at what others do, or at the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from engine.retrieval.asker import Asker

Scored = tuple[str, float]
"""An item id and the source's own score of it: comparable within one answer of one source only."""


class Action(NamedTuple):
    """A user acted on an item, at `time_ms` since the epoch, which is not later than it was received."""

    user_id: str
    item_id: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Eligible:
    """Which items may be answered: those that `exists` says are in the catalogue and that are not `banned`."""

    banned: Collection[str]
    exists: Callable[[str], bool]

    def __call__(self, item_id: str) -> bool:
        return item_id not in self.banned and self.exists(item_id)

    def first(self, found: Iterable[Scored], num_items: int) -> list[Scored]:
        """The first `num_items` of those found that may be answered."""
        return list(islice((each for each in found if self(each[0])), max(0, num_items)))


class CandidateSource(Protocol):
    """Safe to call from several threads, and changed by no call."""

    @property
    def name(self) -> str:
        """What answers say of an item that came from here."""

    def candidates(self, asker: Asker, num_items: int, eligible: Eligible) -> list[Scored]:
        """The at most `num_items` eligible items that the source likes best, each once, greatest score first.

        Deterministic given the source's state. Fewer, or none, when it knows of no more.
        """


class ActionFollower(Protocol):
    """What learns from actions as they happen. Called by one thread at a time."""

    def observe(self, actions: Sequence[Action]) -> None:
        """Actions in the order of the log."""

    def forget(self, item_id: str) -> None:
        """The item was deleted; one that is not known is no error."""

    def clear(self) -> None:
        """Forget everything: the actions will be told again."""
