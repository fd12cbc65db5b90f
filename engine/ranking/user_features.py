"""The user side of a model's inputs, encoded once a request."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from engine.features.columns import HISTORY_AGES, HISTORY_TYPES
from engine.features.encoded import EncodedBatch
from engine.features.one_row import OneRowEncoder
from engine.features.records import Records
from engine.retrieval.asker import Asker
from engine.spec.definition import ModelDefinition, Side
from engine.spec.feature import EVENT_TIME
from engine.spec.slot import USER_COUNTER

_Reader = Callable[[Asker], Any]

_OF_ASKER: Final[dict[str, _Reader]] = {
    "user.id": attrgetter("user_id"),
    "user.history": attrgetter("history"),
    HISTORY_TYPES: attrgetter("history_types"),
    EVENT_TIME: attrgetter("time_ms"),
}


class UserFeatures:
    """What a model's user side is made of, for one asker. Safe to call from several threads."""

    def __init__(self, definition: ModelDefinition) -> None:
        self._encoder = OneRowEncoder(definition, Side.USER, elsewhere=frozenset([HISTORY_AGES]))
        self._sources = self._encoder.column_sources
        self._readers = [_reader_of(source) for source in self._encoder.plain_sources]
        self.layout = self._encoder.layout

    def record(self, asker: Asker) -> Records:
        """The asker's record: as `FeatureEncoder.encode` and `RecordLayout.pack` make it of `asker.columns`."""
        columns = asker.columns(self._sources) if self._sources else {}
        return self._encoder.encode([read(asker) for read in self._readers], columns)

    def encoded(self, asker: Asker) -> EncodedBatch:
        """The same as a batch of one row."""
        return self.layout.unpack(self.record(asker))


def _reader_of(source: str) -> _Reader:
    """What the asker has of a source of the user side but the ages of the history; None for what is missing."""
    own = _OF_ASKER.get(source)
    if own is not None:
        return own
    if source.startswith(USER_COUNTER):
        counter = source.removeprefix(USER_COUNTER)
        return lambda asker: asker.counters.get(counter)
    entity, _, name = source.partition(".")
    if entity == "user":
        return lambda asker: asker.properties.get(name)
    return lambda asker: asker.context.get(name)
