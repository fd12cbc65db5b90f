"""The ids that an example gives a slot, as the trainer's encoder finds them (`engine.features`), for counting distinct ones."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from typing import Any, Final

from engine.spec.definition import ModelDefinition, Slot
from engine.spec.example import Example
from engine.spec.feature import Bucket, Cross, Ratio, Text, TextUnit, Time, TimePart
from engine.spec.slot import Pooling

Values = tuple[Hashable, ...]

_MOST_CROSSED: Final = 4096
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")


class SourceValues:
    """Of one definition: `of_slot` what a row gives a slot, `of` what a source gives before it is cut to a slot's length."""

    def __init__(self, definition: ModelDefinition) -> None:
        self._definition = definition

    def of_slot(self, slot: Slot, example: Example) -> Values:
        """Ids in order; of a list the last `max_values`, or the first alone."""
        values = tuple(value for value in self.of(slot.source, example) if _is_id(value))
        return values[:1] if slot.pooling is Pooling.FIRST else values[-slot.max_values :]

    def of(self, source: str, example: Example) -> Values:
        if source.startswith("feature."):
            return self._of_feature(source, example)
        if source in _OF_EXAMPLES:
            return _OF_EXAMPLES[source](example)
        entity, _, name = source.partition(".")
        held = {"user": example.user, "item": example.item, "event": example.event}.get(entity, example.counters)
        return _as_values(held.get(name))

    def _of_feature(self, source: str, example: Example) -> Values:
        feature = self._definition.feature(source)
        if isinstance(feature, Cross):
            parts = [tuple(filter(_is_id, self.of(each, example))) for each in feature.sources]
            return tuple(islice(product(*parts), _MOST_CROSSED))
        if isinstance(feature, Ratio):
            top, bottom = (_number(self.of(each, example)) or 0.0 for each in (feature.numerator, feature.denominator))
            return ((top + feature.prior * feature.prior_weight) / (bottom + feature.prior_weight),)
        given = self.of(feature.source, example)
        if isinstance(feature, Text):
            return tuple(
                gram for text in given if isinstance(text, str) for gram in _ngrams(text, feature.unit, feature.sizes)
            )
        number = _number(given)
        if number is None:
            return ()
        if isinstance(feature, Bucket):
            return (bisect_right(feature.boundaries, number),)
        return _time_part(feature, int(number), _time_of(example))


def _time_of(example: Example) -> int:
    return example.event_time_ms if example.request_time_ms is None else example.request_time_ms


def _age(milliseconds: int) -> int:
    """⌊log2(1 + age in whole seconds)⌋."""
    return (max(0, milliseconds) // 1000 + 1).bit_length() - 1


_OF_EXAMPLES: Final[dict[str, Callable[[Example], Values]]] = {
    "user.id": lambda example: (example.user_id,),
    "item.id": lambda example: (example.item_id,),
    "user.history": lambda example: example.history,
    "user.history_types": lambda example: example.history_types,
    "user.history_ages_s": lambda example: tuple(_age(_time_of(example) - then) for then in example.history_times_ms),
    "event.time": lambda example: (_time_of(example),),
}


def _as_values(value: Any) -> Values:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _is_id(value: Hashable) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return value != "" and value is not None


def _number(values: Values) -> float | None:
    value = values[0] if values else None
    return float(value) if isinstance(value, int | float) else None


def _ngrams(text: str, unit: TextUnit, sizes: Sequence[int]) -> list[str]:
    words = [word for word in _BETWEEN_WORDS.split(unicodedata.normalize("NFKC", text).lower()) if word]
    tokens = words if unit is TextUnit.WORDS else list(" ".join(words))
    joint = " " if unit is TextUnit.WORDS else ""
    return [joint.join(tokens[at : at + size]) for size in sizes for at in range(len(tokens) - size + 1)]


def _time_part(feature: Time, milliseconds: int, now_ms: int) -> Values:
    if feature.part is TimePart.AGE_LOG_S:
        return (float(max(0, now_ms - milliseconds)),)
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC) + timedelta(minutes=feature.utc_offset_minutes)
    part = {
        TimePart.HOUR: moment.hour,
        TimePart.DAY_OF_WEEK: moment.weekday(),
        TimePart.HOUR_OF_WEEK: moment.weekday() * 24 + moment.hour,
    }[feature.part]
    return (part,)
