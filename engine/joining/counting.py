"""The joiner's counters: what a batch of events asks and counts, settled at its end in one vectorised go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.features.counter_subjects import Subject, SubjectColumns
from engine.features.counters import CounterState, Occurrences, Questions


class Counting:
    """Questions and occurrences in the order of the events.

    `ask` answers an empty dict, `ask_beside` empty lists, which `settle` fills with what the counters were at that moment, so that whoever
    holds it already (an example, a waiting impression) has the values then. A question sees what was counted before it, and nothing
    that was after.
    """

    def __init__(self, state: CounterState) -> None:
        self._state = state
        self._clear()

    def ask(self, subject: Subject, time_ms: int) -> dict[str, float]:
        """The values for a user beside an item as of `time_ms`, once settled."""
        answer: dict[str, float] = {}
        if self._state.names:
            self._answers.append(answer)
            self._asked.add(subject)
            self._asked_ms.append(time_ms)
            self._after.append(len(self._types))
        return answer

    def ask_beside(
        self, subject: Subject, item_ids: Sequence[str], items: Sequence[Mapping[str, Any]], time_ms: int
    ) -> list[list[float]]:
        """The same for the subject's user beside several items, a list for each, in the order in which `ask` names the values."""
        answers: list[list[float]] = [[] for _ in item_ids]
        if self._state.names:
            self._answers += answers
            self._asked.add_beside(subject, item_ids, items)
            self._asked_ms += [time_ms] * len(answers)
            self._after += [len(self._types)] * len(answers)
        return answers

    def count(self, event_type: str, subject: Subject, time_ms: int) -> None:
        """An event happened."""
        if event_type in self._state.event_types:
            self._noted.add(subject)
            self._types.append(event_type)
            self._noted_ms.append(time_ms)

    @property
    def num_unsettled(self) -> int:
        return len(self._answers) + len(self._types)

    def settle(self) -> None:
        """Answer what was asked and count what happened."""
        if not self._types and not self._answers:
            return
        occurrences = Occurrences(self._noted.values, self._types, np.array(self._noted_ms, np.int64))
        questions = Questions(self._asked.values, np.array(self._asked_ms, np.int64), np.array(self._after, np.int64))
        values = self._state.replay(occurrences, questions)
        columns = [values[name].tolist() for name in self._state.names]
        for answer, row in zip(self._answers, zip(*columns, strict=True), strict=True):
            if isinstance(answer, dict):
                answer.update(zip(self._state.names, row, strict=True))
            else:
                answer.extend(row)
        self._clear()

    def _clear(self) -> None:
        self._answers: list[dict[str, float] | list[float]] = []
        self._asked = SubjectColumns(self._state.sources)
        self._asked_ms: list[int] = []
        self._after: list[int] = []
        self._noted = SubjectColumns(self._state.sources)
        self._noted_ms: list[int] = []
        self._types: list[str] = []
