"""Derived features: values made of other values, each with a name that slots and dense inputs use as `feature.<name>`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.spec.document import Document, Name
from engine.spec.slot import Source

EVENT_TIME: Source = "event.time"
"""The source that is always there: the time of the event or request, integer milliseconds since 1970."""


class Cross(Document):
    """Every combination of one value of each source, as an id of its own. A row in which a source has no value has none."""

    kind: Literal["cross"] = "cross"
    name: Name = Field(description="slots and dense inputs name it as feature.<name>")
    sources: list[Source] = Field(
        min_length=2, max_length=4, description="the sources whose values are combined, in this order"
    )

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self.sources)


class Bucket(Document):
    """The number of the interval that a number falls into: 0 below the first boundary, i from boundary i on. A missing number has none."""

    kind: Literal["bucket"] = "bucket"
    name: Name = Field(description="slots and dense inputs name it as feature.<name>")
    source: Source = Field(description="the number that falls into an interval")
    boundaries: list[float] = Field(
        min_length=1, max_length=1000, description="ascending; each belongs to the interval above it"
    )

    @model_validator(mode="after")
    def _ascending(self) -> Bucket:
        if any(low >= high for low, high in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError("boundaries must ascend, each greater than the one before")
        return self

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)


class TextUnit(StrEnum):
    WORDS = "words"
    CHARACTERS = "characters"


class Text(Document):
    """Each run of n neighbouring words or characters of a lower-cased text, as an id."""

    kind: Literal["text"] = "text"
    name: Name = Field(description="slots and dense inputs name it as feature.<name>")
    source: Source = Field(description="the text, or list of texts")
    unit: TextUnit = Field(default=TextUnit.WORDS, description="what neighbours are: words, or characters")
    sizes: list[Annotated[int, Field(ge=1, le=8)]] = Field(
        default_factory=lambda: [1], min_length=1, max_length=4, description="each n of the n-grams, as [1, 2]"
    )

    @model_validator(mode="after")
    def _distinct(self) -> Text:
        if len(set(self.sizes)) != len(self.sizes):
            raise ValueError("sizes must differ from each other")
        return self

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source,)


class TimePart(StrEnum):
    """`hour` 0 to 23, `day_of_week` 0 (Monday) to 6, `hour_of_week` 0 to 167; `age_log_s` is ln(1 + seconds up to the event)."""

    HOUR = "hour"
    DAY_OF_WEEK = "day_of_week"
    HOUR_OF_WEEK = "hour_of_week"
    AGE_LOG_S = "age_log_s"


class Time(Document):
    """A part of a time: an integer to use as an id, or the age at the time of the event as a number."""

    kind: Literal["time"] = "time"
    name: Name = Field(description="slots and dense inputs name it as feature.<name>")
    source: Source = Field(default=EVENT_TIME, description="the time that is read")
    part: TimePart = Field(description="what of the time: an hour or day as an id, or how long ago it was as a number")
    utc_offset_minutes: int = Field(
        default=0, ge=-720, le=840, description="the clock that hours and days are read from"
    )

    @model_validator(mode="after")
    def _age_of_something(self) -> Time:
        if self.part is TimePart.AGE_LOG_S and self.source == EVENT_TIME:
            raise ValueError("age_log_s of event.time is always 0; name a timestamp property as source")
        return self

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.source, EVENT_TIME) if self.part is TimePart.AGE_LOG_S else (self.source,)


class Ratio(Document):
    """(numerator + prior · prior_weight) / (denominator + prior_weight), as a rate of two counters. A missing number counts as 0."""

    kind: Literal["ratio"] = "ratio"
    name: Name = Field(description="slots and dense inputs name it as feature.<name>")
    numerator: Source = Field(description="the number above the line, as a count of clicks")
    denominator: Source = Field(description="the number below it, as a count of impressions")
    prior: float = Field(default=0.0, ge=0, le=1e9, description="the rate of what has no counts yet")
    prior_weight: float = Field(default=1.0, gt=0, le=1e9, description="how many counts the prior is worth")

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.numerator, self.denominator)


Feature = Annotated[Cross | Bucket | Text | Time | Ratio, Field(discriminator="kind")]
