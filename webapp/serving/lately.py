"""What to answer while no replica does: what was answered most often lately."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable, Iterable, Sequence

SOURCE = "lately_answered"


class LatelyAnswered:
    """The newest `num_answers` lists of items of each of at most `max_keys` keys, counted; the key used longest ago goes first.

    Of this process only, so that it needs neither replica nor database. Thread-safe; `note` is O(items of one answer), `best`
    O(distinct items).
    """

    def __init__(self, *, num_answers: int = 200, max_keys: int = 256) -> None:
        self._num_answers = num_answers
        self._max_keys = max_keys
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, deque[tuple[str, ...]]] = OrderedDict()
        self._counts: dict[Hashable, Counter[str]] = {}

    def note(self, key: Hashable, item_ids: Iterable[str]) -> None:
        items = tuple(item_ids)
        with self._lock:
            answers = self._answers.setdefault(key, deque())
            counts = self._counts.setdefault(key, Counter())
            self._answers.move_to_end(key)
            answers.append(items)
            counts.update(items)
            if len(answers) > self._num_answers:
                self._let_go(counts, answers.popleft())
            while len(self._answers) > self._max_keys:
                self._counts.pop(self._answers.popitem(last=False)[0])

    @staticmethod
    def _let_go(counts: Counter[str], items: tuple[str, ...]) -> None:
        for item in items:
            counts[item] -= 1
            if not counts[item]:
                del counts[item]

    @property
    def is_empty(self) -> bool:
        return not self._answers

    def knows(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._answers

    def best(
        self, key: Hashable, k: int, *, exclude: Sequence[str] = (), candidates: Sequence[str] = ()
    ) -> list[tuple[str, float]]:
        """At most `k` items and the share of the lists that had each, highest first, then by id; with `candidates` nothing else."""
        with self._lock:
            counts = Counter(self._counts.get(key, ()))
            num_answers = len(self._answers.get(key, ()))
        left_out = set(exclude)
        wanted = [item for item in candidates or counts if item not in left_out]
        wanted.sort(key=lambda item: (-counts[item], item))
        return [(item, counts[item] / max(1, num_answers)) for item in wanted[:k]]

    def forget(self) -> None:
        with self._lock:
            self._answers.clear()
            self._counts.clear()
