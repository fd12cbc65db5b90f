"""What served an impression: which deployment and arm, what brought each item, and how likely each was to be shown where it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.spec.values import BrokenRule, check_float, check_id, check_object, check_text

SHADOW_TYPE: Final = "freshet.shadow"
"""The type of an answer that nobody saw: an event of role `other`, which no reader takes for something that a user did or was shown.
It cannot be declared in a schema, nor sent to the API."""


@dataclass(frozen=True, slots=True)
class Served:
    """`sources` and `propensities` are by place in the answer, as `engine.serving.requests.ScoredItem` says them.

    `revision` numbers the deployment's document. `experiment` and `arm` are those that chose the deployment, None where nothing was
    split, `arm` alone None for a user whose arm was stopped. `shadow_of` is the recommendation beside which this one was made for
    nobody to see.
    """

    deployment: str
    revision: int
    sources: tuple[str, ...] = ()
    propensities: tuple[float, ...] = ()
    experiment: str | None = None
    arm: str | None = None
    shadow_of: str | None = None

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Served:
        """From JSON; what a newer release adds is passed over. Raises `BrokenRule`, `KeyError`, `TypeError`."""
        check_object(raw)
        sources, propensities = raw.get("sources", ()), raw.get("propensities", ())
        if (
            type(raw["revision"]) is not int
            or type(sources) not in (list, tuple)
            or type(propensities) not in (list, tuple)
        ):
            raise BrokenRule("served must have an integer revision and lists of sources and propensities")
        return cls(
            deployment=check_id(raw["deployment"]),
            revision=raw["revision"],
            sources=tuple([check_text(one) for one in sources]),
            propensities=tuple([check_float(one) for one in propensities]),
            experiment=_id(raw.get("experiment")),
            arm=_id(raw.get("arm")),
            shadow_of=_id(raw.get("shadow_of")),
        )


def _id(value: Any) -> str | None:
    return None if value is None else check_id(value)
