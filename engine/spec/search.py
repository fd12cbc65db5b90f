"""A hyper-parameter search: which parts of a definition vary, how often it tries, and what it is after."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from engine.errors import InvalidDocument, Problem
from engine.spec.document import Document
from engine.spec.early_stopping import WatchedMetric

PathText = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,63}(\.[a-z0-9_]{1,63}){0,7}$")]
"""A place in a definition's JSON, `sparse_optimizer.learning_rate` or `slots.0.dim`: names of fields and places of lists."""

MAX_TRIALS = 1000


class Choice(Document):
    """One of these values, in no order."""

    kind: Literal["choice"] = "choice"
    path: PathText
    values: list[Any] = Field(min_length=1, max_length=50, description="JSON values of the field")


class Range(Document):
    """A number from `low` to `high`, each as likely; whole numbers where both are."""

    model_config = ConfigDict(allow_inf_nan=False)

    kind: Literal["range"] = "range"
    path: PathText
    low: float
    high: float

    @model_validator(mode="after")
    def _rises(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"high must be above low ({self.low:g}), received {self.high:g}")
        return self

    @property
    def is_whole(self) -> bool:
        return self.low == math.floor(self.low) and self.high == math.floor(self.high)


class LogRange(Range):
    """A number from `low` to `high`, each order of magnitude as likely; whole numbers where both are, and 1 is the least of these."""

    kind: Literal["log_range"] = "log_range"  # type: ignore[assignment]  # pydantic: another kind of the same fields

    @model_validator(mode="after")
    def _positive(self) -> LogRange:
        if self.low <= 0:
            raise ValueError(f"low must be above 0, received {self.low:g}")
        return self


Varied = Annotated[Choice | Range | LogRange, Field(discriminator="kind")]


class SearchSettings(Document):
    """Each trial learns the earlier examples once, then is judged by the metric of the last, each scored before it is learned."""

    model_config = ConfigDict(allow_inf_nan=False)

    varies: list[Varied] = Field(min_length=1, max_length=20)
    num_trials: int = Field(default=20, ge=1, le=MAX_TRIALS)
    metric: WatchedMetric = Field(default=WatchedMetric.AUC, description="raised, or lowered where it is a loss")
    fraction: float = Field(
        default=0.1, gt=0, lt=1, description="the share of examples that trials are judged by: the last"
    )
    prunes: bool = Field(default=True, description="a trial below the median of the others so far is given up")
    seed: int = Field(default=17, ge=0, lt=2**31)

    @model_validator(mode="after")
    def _paths_differ(self) -> SearchSettings:
        paths = [each.path for each in self.varies]
        if len(set(paths)) != len(paths):
            raise ValueError("each path may vary once")
        return self


def with_values(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The document with another value at each path. Raises `InvalidDocument` for a path that leads nowhere in it."""
    changed: dict[str, Any] = copy.deepcopy(dict(document))
    for path, value in values.items():
        *parents, last = path.split(".")
        place: Any = changed
        for part in parents:
            place = _member(place, part, path)
        _member(place, last, path)
        place[_key(place, last)] = value
    return changed


def _key(place: Any, part: str) -> Any:
    return int(part) if isinstance(place, list) else part


def _member(place: Any, part: str, path: str) -> Any:
    try:
        return place[_key(place, part)]
    except (KeyError, IndexError, TypeError, ValueError):
        problem = Problem(path, "is no place in the definition", part)
        raise InvalidDocument("search", [problem]) from None
