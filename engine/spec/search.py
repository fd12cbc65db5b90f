"""A hyper-parameter search: which parts of a definition vary, how often it tries, and what it is after."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from engine.errors import InvalidDocument, Problem
from engine.spec.document import Document, Name
from engine.spec.early_stopping import WatchedMetric

PathText = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,63}(\.([a-z0-9_]{1,63}|\*)){0,7}$")]
"""A place in a definition's JSON, `sparse_optimizer.learning_rate` or `slots.0.dim`: names of fields and places of lists.

`*` stands for every place of a list, which then get the same value: `slots.*.dim` is the dim of all slots. Rules of rows, as
`slots.*.admission`, are of the slots that have rows of their own.
"""

MAX_TRIALS = 1000
_OF_OWNERS = ("admission", "expiry", "learning_rate_scale")


class Choice(Document):
    """One of these values, in no order."""

    kind: Literal["choice"] = "choice"
    path: PathText
    values: list[Any] = Field(min_length=1, max_length=50, description="JSON values of the field")


class Range(Document):
    """A number from `low` to `high`, each as likely; whole numbers where both are, unless `whole` says otherwise."""

    model_config = ConfigDict(allow_inf_nan=False)

    kind: Literal["range"] = "range"
    path: PathText
    low: float
    high: float
    whole: bool | None = Field(default=None, description="whether only whole numbers; without it: where both ends are")

    @model_validator(mode="after")
    def _rises(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"high must be above low ({self.low:g}), received {self.high:g}")
        if self.whole and not self._ends_are_whole:
            raise ValueError(f"low and high must be whole numbers, received {self.low:g} and {self.high:g}")
        return self

    @property
    def _ends_are_whole(self) -> bool:
        return self.low == math.floor(self.low) and self.high == math.floor(self.high)

    @property
    def is_whole(self) -> bool:
        return self._ends_are_whole if self.whole is None else self.whole


class LogRange(Range):
    """A number from `low` to `high`, each order of magnitude as likely; whole ones as of `Range`, of which 1 is the least."""

    kind: Literal["log_range"] = "log_range"  # type: ignore[assignment]  # pydantic: another kind of the same fields

    @model_validator(mode="after")
    def _positive(self) -> LogRange:
        if self.low <= 0:
            raise ValueError(f"low must be above 0, received {self.low:g}")
        return self


Varied = Annotated[Choice | Range | LogRange, Field(discriminator="kind")]


class SearchSettings(Document):
    """Each trial learns the earlier examples, once or as its early stopping says, and is judged by the metric of the last, each scored
    before it is learned."""

    model_config = ConfigDict(allow_inf_nan=False)

    varies: list[Varied] = Field(min_length=1, max_length=20)
    num_trials: int = Field(default=20, ge=1, le=MAX_TRIALS)
    max_minutes: float | None = Field(
        default=None, gt=0, le=100_000, description="no trial begins later than so long after the search did"
    )
    num_seeds: int = Field(
        default=1, ge=1, le=20, description="each trial is trained with so many seeds, and judged by the mean"
    )
    input_file: str = Field(
        default="", max_length=128, description="a file of examples to learn from in place of the project's own"
    )
    task: Name | None = Field(default=None, description="whose metric it is; without it the first task's")
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
        _set(changed, path.split("."), value, path)
    return changed


def _set(place: Any, parts: Sequence[str], value: Any, path: str) -> None:
    part, *rest = parts
    if part == "*":
        for index in _every(place, rest, path):
            _set(place, [str(index), *rest], value, path)
    elif rest:
        _set(_member(place, part, path), rest, value, path)
    else:
        _member(place, part, path)
        place[_key(place, part)] = copy.deepcopy(value)


def _every(place: Any, rest: Sequence[str], path: str) -> list[int]:
    """The places of a list; where a rule of rows is set, only those that have such rows."""
    if not isinstance(place, list) or not place or not rest:
        raise InvalidDocument(
            "search", [Problem(path, "* stands for the places of a list, and a field follows it", "*")]
        )
    owners = [index for index, one in enumerate(place) if not (isinstance(one, dict) and one.get("shares"))]
    return owners if rest[0] in _OF_OWNERS else list(range(len(place)))


def _key(place: Any, part: str) -> Any:
    return int(part) if isinstance(place, list) else part


def _member(place: Any, part: str, path: str) -> Any:
    try:
        return place[_key(place, part)]
    except (KeyError, IndexError, TypeError, ValueError):
        problem = Problem(path, "is no place in the definition", part)
        raise InvalidDocument("search", [problem]) from None
