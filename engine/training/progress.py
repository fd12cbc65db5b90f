"""How far training has come: offsets, times and counts, which live and die with the parameters they produced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from engine.spec.erasure import Erased
from engine.spec.example import Cause, Example
from engine.sync.delta import TrainedThrough
from engine.training.logged import Logged, LoggedColumns

_BY_PARTITION: Final = ("examples", "events", "joiner_epochs")


@dataclass(slots=True)
class Progress:
    """`examples` and `events`: partition -> next offset, of the topic read and of the events behind it. Counts each example once, or
    once in each epoch of a batch run with several; `epoch` is the one it is in.

    `num_corrupt` records could not be read and are not among `num_examples`; nor are `num_fenced`, of joiners that had lost their lease.
    `erased` are the last erasures that were carried out.
    `joiner_epochs`: partition -> newest epoch of a joiner's lease among the examples read, of logs that keep none.
    """

    examples: dict[int, int] = field(default_factory=dict)
    events: dict[int, int] = field(default_factory=dict)
    event_time_ms: int = 0
    received_ms: int = 0
    num_examples: int = 0
    num_batches: int = 0
    num_refused_batches: int = 0
    num_corrupt: int = 0
    epoch: int = 0
    num_fenced: int = 0
    joiner_epochs: dict[int, int] = field(default_factory=dict)
    erased: list[Erased] = field(default_factory=list)

    def note(self, logged: Logged) -> None:
        """Count examples as learned."""
        self.examples.update(logged.next_offsets)
        if isinstance(logged, LoggedColumns):
            # no event of the log is behind a row of a file
            self.event_time_ms = max(self.event_time_ms, logged.table.latest_ms)
        else:
            self._note_causes(logged.examples)
            for _, _, cause in logged.canaries:
                self._note_place(cause)
            self.num_fenced += len(logged.fenced)
            self.joiner_epochs.update(logged.epochs)
        self.num_corrupt += len(logged.skipped)
        self.num_examples += len(logged)
        self.num_batches += bool(len(logged))

    def _note_causes(self, examples: Sequence[Example]) -> None:
        for example in examples:
            cause = example.cause
            self._note_place(cause)
            self.event_time_ms = max(self.event_time_ms, example.event_time_ms)
            self.received_ms = max(self.received_ms, cause.received_ms)

    def _note_place(self, cause: Cause) -> None:
        self.events[cause.partition] = max(self.events.get(cause.partition, 0), cause.offset + 1)

    def trained_through(self) -> TrainedThrough:
        return TrainedThrough(
            events=dict(self.events),
            examples=dict(self.examples),
            event_time_ms=self.event_time_ms,
            received_ms=self.received_ms,
        )

    def reaches(self, offsets: Mapping[int, int]) -> bool:
        """Whether every example before the given next offsets has been learned."""
        return all(self.examples.get(partition, 0) >= offset for partition, offset in offsets.items())

    def as_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in self.__slots__}
        for name in _BY_PARTITION:
            document[name] = {str(partition): value for partition, value in document[name].items()}
        document["erased"] = [one.to_json() for one in self.erased]
        if not self.erased:  # as it was written before there were any
            del document["erased"]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Progress:
        fields = dict(document)
        for name in _BY_PARTITION:
            fields[name] = {int(partition): value for partition, value in fields.get(name, {}).items()}
        fields["erased"] = [Erased.from_json(one) for one in fields.get("erased", ())]
        return cls(**fields)
