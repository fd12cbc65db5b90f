"""A slot: one categorical input of a model, what earns its ids a row, and what loses it for them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from engine.spec.document import Document, Name, default_kind

Source = Annotated[
    str,
    StringConstraints(
        pattern=r"^((user|item|event|feature)\.[a-z][a-z0-9_]{0,62}|(user_)?counter\.[a-z][a-z0-9_]{0,126})$"
    ),
]
"""Where a value comes from: `user.id`, `user.<property>`, `user.history`, `user.history_types`, `user.history_ages_s`, `item.id`,
`item.<property>`, `event.time`, `event.<property>`, `feature.<name>`, `counter.<counter>_<window>`, and `user_counter.<counter>_<window>`
of a counter that counts by nothing of the item. See docs/features.md."""

USER_COUNTER = "user_counter."


MAX_COUNT = 2**32 - 1
MAX_RULE_S = 2**31
"""68 years: the longest window and time to live, as the table's stamps are 32-bit seconds."""


class Side(StrEnum):
    """What an input depends on: the asker (user and event context), the item, or both together.

    `USER` inputs are encoded once a request, `ITEM` inputs once an item, `PAIR` inputs once a row of a user beside an item.
    """

    USER = "user"
    ITEM = "item"
    PAIR = "pair"


def side_of(source: str) -> Side:
    """The side of a value as it is given. A derived one has the side that its definition says (`ModelDefinition.side_of`).

    A counter is as of the request: it stands beside the pair, so that no cached item vector holds an old one. One that counts by nothing of
    the item may be read once a request instead, as a `user_counter` of the asker.
    """
    if source.startswith("counter."):
        return Side.PAIR
    return Side.ITEM if source.startswith("item.") else Side.USER


class Pooling(StrEnum):
    """What becomes of the embeddings of a slot's values in one row: their mean, sum, sum over the root of their number, or the first alone.

    `sequence` keeps them apart and in order, for architectures that attend over them; others take their mean.
    """

    MEAN = "mean"
    SUM = "sum"
    SQRTN = "sqrtn"
    FIRST = "first"
    SEQUENCE = "sequence"


class AdmitAlways(Document):
    """An id earns its row on its first sighting."""

    kind: Literal["always"] = "always"


class AdmitMinCount(Document):
    """An id earns its row on exactly its `min_count`-th sighting; with `window_s`, sightings of long ago count for less."""

    kind: Literal["min_count"] = "min_count"
    min_count: int = Field(
        default=5, ge=1, le=MAX_COUNT, description="the sighting that gives an id its row: 5 is the fifth"
    )
    window_s: int | None = Field(
        default=None,
        ge=1,
        le=MAX_RULE_S,
        description="every so many seconds the counts of ids that wait are halved, so that a row is earned within a window; "
        "without it counts never fade",
    )


class AdmitProbability(Document):
    """Each sighting earns the row with one probability: no memory for ids that wait, 1/p sightings on average."""

    kind: Literal["probability"] = "probability"
    probability: float = Field(default=0.1, gt=0, le=1, description="the chance of each sighting to give its id a row")


Admission = Annotated[
    AdmitAlways | AdmitMinCount | AdmitProbability,
    Field(discriminator="kind"),
    BeforeValidator(default_kind("always")),
]


class Expiry(Document):
    """A row is evicted once its id has not been seen for `ttl_s`, by event time."""

    ttl_s: int = Field(ge=1, le=MAX_RULE_S, description="seconds without a sighting after which an id loses its row")


class Slot(Document):
    """One categorical input. Lists (`string_list` properties, `user.history`) are pooled.

    `shares` makes this slot use another slot's rows (its number and dim): a history of items looks up the items' own embeddings,
    and is under their admission and expiry.
    """

    name: Name = Field(description="what the definition calls it; may change from version to version")
    number: int = Field(ge=1, le=4095, description="fixed for ever: it is part of every FID of the slot")
    source: Source = Field(description="where its ids come from")
    dim: int = Field(default=16, ge=1, le=512, description="floats of each id's embedding")
    max_values: int = Field(
        default=20, ge=1, le=1024, description="of a list, the last so many; of a sequence, its length too"
    )
    pooling: Pooling = Field(default=Pooling.MEAN, description="what becomes of the embeddings of a list's values")
    shares: Name | None = Field(
        default=None,
        description="a slot whose rows it uses, as a history those of the items; empty for rows of its own",
    )
    admission: Admission = Field(default_factory=AdmitAlways, description="what earns an id of this slot a row")
    expiry: Expiry | None = Field(default=None, description="what loses it the row; null keeps it")
    learning_rate_scale: float = Field(
        default=1.0, ge=1e-6, le=1e3, description="times the embeddings' learning rate, for the rows of this slot"
    )
