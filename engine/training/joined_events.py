"""A file of events to examples, as the joiner would have made them of the same events when they came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from engine.errors import Interrupted
from engine.joining.joiner import Joiner
from engine.joining.state import JoinerSettings
from engine.spec.event import CatalogChange, Event
from engine.spec.example import Cause, Example
from engine.spec.schema import Schema
from engine.training.example_records import RecordWriter

BATCH_EVENTS: Final = 4096

_NO_CAUSE: Final = Cause(0, 0, 0)
"""No event of the log is behind an example of a file."""


def join_events(
    events: Iterable[Sequence[Event]],
    changes: Iterable[CatalogChange],
    schema: Schema,
    folder: Path,
    meta: Callable[[], dict[str, Any]],
    *,
    on_events: Callable[[int], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> int:
    """Join `events`, given in the order of their times, and write the examples into `folder`; answers how many examples there are.

    Users and items have the properties of `changes`, which are applied before the first event. Histories and counters are as they were
    before each event. Nothing follows on a file: all windows end with it. `on_events` hears how many events were joined; `meta` is asked
    last for what the folder is to say of itself. Raises `Interrupted` when asked to stop: then the folder is none.
    """
    joiner = Joiner(JoinerSettings.from_schema(schema))
    for change in changes:
        joiner.apply_catalog(change)
    writer = RecordWriter(folder)
    num_events, last_ms = 0, 0
    try:
        for batch in events:
            if should_stop():
                raise Interrupted("asked to stop")
            # Received when it happened: event time alone ends windows.
            placed = [
                (0, num_events + place, replace(event, received_ms=event.timestamp_ms))
                for place, event in enumerate(batch)
            ]
            writer.write(_examples(joiner.stream(placed)))
            num_events += len(batch)
            last_ms = max([last_ms, *(event.timestamp_ms for event in batch)])
            on_events(num_events)
        writer.write(_examples(joiner.stream_advance(last_ms + _longest_wait_ms(joiner.settings))))
        writer.finish(meta() | {"num_events": num_events})
    finally:
        writer.close()
    return writer.num_records


def _examples(chunks: Iterable[list[Example]]) -> Iterator[Example]:
    return (replace(example, cause=_NO_CAUSE) for chunk in chunks for example in chunk)


def _longest_wait_ms(settings: JoinerSettings) -> int:
    windows_ms = max([settings.window_ms, *settings.windows_ms.values()])
    return windows_ms + settings.late_ms + settings.early_wait_ms + settings.idle_after_ms + 1
