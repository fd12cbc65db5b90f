"""What arms are compared by. Of each action type of the schema: its rate, and how many there are of each user.

`<type>_rate`: items shown that were acted on so, of all items shown. `<type>_per_user`: such items of each user who was shown something.
The unit is the user, for what one user does is not independent; see `webapp.experiments.statistics`.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.spec.schema import EventRole, Schema
from webapp.core.errors import Invalid

RATE = "_rate"
PER_USER = "_per_user"


@dataclass(frozen=True, slots=True)
class Metric:
    """`is_rate`: of all items shown; else of all users."""

    name: str
    event_type: str
    is_rate: bool


def metrics_of(schema: Schema) -> list[Metric]:
    """Rates first, in the order in which the schema declares the actions; the first is what an experiment is decided by unless told."""
    actions = [name for name, declared in schema.events.items() if declared.role is EventRole.ACTION]
    rates = [Metric(f"{name}{RATE}", name, True) for name in actions]
    return rates + [Metric(f"{name}{PER_USER}", name, False) for name in actions]


def metric_named(name: str) -> Metric:
    """Of a name that was checked when it was given, whatever the schema says now."""
    for ending, is_rate in ((RATE, True), (PER_USER, False)):
        if name.endswith(ending):
            return Metric(name, name.removesuffix(ending), is_rate)
    raise ValueError(f"no metric: {name!r}")


def check_metric(field: str, name: str, schema: Schema) -> None:
    """Raises `Invalid`."""
    names = [one.name for one in metrics_of(schema)]
    if name not in names:
        raise Invalid.field(
            field, f"must be one of: {', '.join(names) or 'none, for the schema has no actions'}", repr(name)
        )
