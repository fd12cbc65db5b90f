"""From a shown item and what became of it to examples."""

from __future__ import annotations

from collections.abc import Iterator

import xxhash

from engine.joining.impression import Impression, Shown
from engine.joining.stages import Stages
from engine.joining.state import JoinerCounters
from engine.spec.example import Cause, Example, Origin


def is_sampled(example_id: str, rate: float) -> bool:
    """Whether a negative is kept: a function of its id alone, so that a replay decides the same."""
    return xxhash.xxh64_intdigest(example_id.encode()) < rate * 2.0**64


class Outcomes:
    """Makes examples of shown items, and counts them in `counters`.

    Where a share `rate` of the negatives is kept, every example carries it, positives too: the odds are corrected by it for both alike.
    """

    def __init__(self, stages: Stages, rate: float, counters: JoinerCounters) -> None:
        self._stages = stages
        self._rate = rate
        self._counters = counters

    def positive(
        self, shown: Shown, action: str, labels: dict[str, float], *, time_ms: int, cause: Cause, corrects: str | None
    ) -> Example:
        """An action on the item; `corrects` is the example that said it would not come."""
        counters = self._counters
        counters.num_examples += 1
        counters.num_positives += 1
        counters.num_corrections += corrects is not None
        return self._example(shown, action, labels, time_ms=time_ms, cause=cause, corrects=corrects)

    def ended(self, impression: Impression) -> Iterator[Example]:
        """The next of the impression's windows has ended: what it says of each item."""
        end_ms = self._stages.next_end(impression.waits, impression.ended_ms)
        if end_ms is None:
            raise ValueError(f"no window of impression {impression.number} is left to end")
        impression.ended_ms = end_ms
        actions = self._stages.decided_at(impression.waits, end_ms)
        if actions:
            for shown in impression.shown.values():
                example = self._of_all(shown, actions) if impression.waits else self._of_missed(shown, actions)
                if example is not None:
                    yield example

    def _of_missed(self, shown: Shown, actions: tuple[str, ...]) -> Example | None:
        """Which of the actions did not come; None when all did or when the negative is not kept."""
        missed = {action: 0.0 for action in actions if action not in shown.acted}
        if not missed:
            return None
        outcome = "rest" if shown.acted else "none"
        if self._stages.are_several:
            outcome = f"{outcome}:{'+'.join(actions)}"
        return self._decided(shown, outcome, {}, missed)

    def _of_all(self, shown: Shown, actions: tuple[str, ...]) -> Example | None:
        """All labels at once. Where the negative is not kept only what came is learned."""
        came: dict[str, float] = {}
        for labels in shown.acted.values():
            came |= labels
        missed = {action: 0.0 for action in actions if action not in shown.acted}
        return self._decided(shown, "all", came, missed)

    def _decided(self, shown: Shown, outcome: str, came: dict[str, float], missed: dict[str, float]) -> Example | None:
        """What came, and what did not where that is kept; None when nothing is left to say."""
        counters, impression = self._counters, shown.impression
        example_id = _example_id(shown, outcome)
        if missed and is_sampled(example_id, self._rate):
            labels = came | missed
            if self._stages.late_ms:
                shown.negatives.update(dict.fromkeys(missed, example_id))
        else:
            labels = came
            counters.num_sampled_out += bool(missed)
        if not labels:
            return None
        counters.num_examples += 1
        if came:
            counters.num_positives += 1
        else:
            counters.num_negatives += 1
        return self._example(shown, outcome, labels, time_ms=impression.time_ms, cause=impression.cause)

    def _example(
        self,
        shown: Shown,
        outcome: str,
        labels: dict[str, float],
        *,
        time_ms: int,
        cause: Cause,
        corrects: str | None = None,
    ) -> Example:
        impression = shown.impression
        return Example(
            example_id=_example_id(shown, outcome),
            user_id=impression.user_id,
            item_id=shown.item_id,
            event_time_ms=time_ms,
            origin=Origin.IMPRESSION,
            labels=labels,
            cause=cause,
            sampling_rate=self._rate or 1.0,
            user=impression.user,
            item=shown.item,
            event=impression.properties,
            history=impression.history.item_ids,
            history_types=impression.history.event_types,
            history_times_ms=impression.history.times_ms,
            request_time_ms=impression.request_time_ms,
            recommendation_id=impression.recommendation_id,
            counters=shown.counters,
            corrects=corrects,
        )


def _example_id(shown: Shown, outcome: str) -> str:
    return f"{shown.impression.event_id}:{shown.item_id}:{outcome}"
