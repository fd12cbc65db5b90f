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
class ServedModel:
    """A model that took part, and the parameters it answered with: their number, and their age in seconds then."""

    role: str
    name: str
    version: int
    sequence: int
    age_s: float


@dataclass(frozen=True, slots=True)
class Served:
    """`sources` and `propensities` are by place in the answer, as `engine.serving.requests.ScoredItem` says them.

    `revision` numbers the deployment's document. `experiment` and `arm` are those that chose the deployment, None where nothing was
    split, `arm` alone None for a user whose arm was stopped. `shadow_of` is the recommendation beside which this one was made for
    nobody to see. `models` are those that took part, `degraded` why the answer was less than it should be, `replica` who gave it, and
    `asked` what of the request is not said elsewhere ("ask", "k", and what else it had); events of before have none of these.
    """

    deployment: str
    revision: int
    sources: tuple[str, ...] = ()
    propensities: tuple[float, ...] = ()
    experiment: str | None = None
    arm: str | None = None
    shadow_of: str | None = None
    models: tuple[ServedModel, ...] = ()
    degraded: str | None = None
    replica: str | None = None
    asked: Mapping[str, Any] | None = None

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
            models=tuple([_model(one) for one in raw.get("models") or ()]),
            degraded=_text(raw.get("degraded")),
            replica=_text(raw.get("replica")),
            asked=None if raw.get("asked") is None else check_object(raw["asked"]),
        )


def _model(raw: Any) -> ServedModel:
    one = check_object(raw)
    version, sequence = one["version"], one["sequence"]
    if type(version) is not int or type(sequence) is not int:
        raise BrokenRule("served.models must have integer versions and sequences")
    return ServedModel(check_text(one["role"]), check_id(one["name"]), version, sequence, check_float(one["age_s"]))


def _text(value: Any) -> str | None:
    return None if value is None else check_text(value)


def _id(value: Any) -> str | None:
    return None if value is None else check_id(value)
