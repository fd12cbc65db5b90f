"""Two versions of a model beside each other: what changed, in groups, and what a run could begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.dense_weights import num_weights, size_of, weight_shapes
from engine.spec.evolution import Fate, SlotFate, plan_evolution
from engine.spec.training_settings import OnChangedSlot
from webapp.registry.differences import Difference, differences
from webapp.registry.lean import lean_row
from webapp.registry.models import ModelVersion
from webapp.registry.reading_order import in_reading_order
from webapp.registry.selectors import source_types_of

GROUPS: Final = {
    "architecture": "Architecture",
    "features": "Derived features",
    "slots": "Slots",
    "dense": "Numbers",
    "tasks": "Predicts",
    "score": "Score",
    "sparse_optimizer": "Embedding optimizer",
    "dense_optimizer": "Network optimizer",
    "training": "Training",
    "sync": "Parameter sync",
    "retention": "Memory of embeddings",
    "serving": "Serving",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference within its group: `where` is what of the group."""

    kind: str
    where: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    title: str
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class Evolution:
    """What of the earlier version's training a run of the later one may begin with.

    `verdict`: `goes_on` with every slot, `partly` where some begin without rows, `refused` where the definition does not allow that, `anew`
    where nothing is left. Weights whose layers have other shapes begin anew.
    """

    verdict: str
    words: str
    slots: tuple[SlotFate, ...]
    num_kept_weights: int
    num_weights: int
    keeps_row_state: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    groups: list[ChangeGroup]
    evolution: Evolution | None


def compare(before: ModelVersion, after: ModelVersion) -> Comparison:
    """From one version to another of the same model, in the order given."""
    documents = [in_reading_order(ModelDefinition, each.document) for each in (before, after)]
    return Comparison(_grouped(differences(*documents)), _evolution(before, after))


def _grouped(found: list[Difference]) -> list[ChangeGroup]:
    by_part: dict[str, list[Change]] = {}
    for one in found:
        part, _, where = one.path.partition(".")
        before, after = (each if "." in where else lean_row(part, each) for each in (one.before, one.after))
        by_part.setdefault(part, []).append(Change(one.kind, where, before, after))
    known = [part for part in GROUPS if part in by_part]
    return [ChangeGroup(GROUPS.get(part, part), by_part[part]) for part in [*known, *(by_part.keys() - GROUPS.keys())]]


def _evolution(before: ModelVersion, after: ModelVersion) -> Evolution | None:
    """None where one of the two is no definition any more."""
    try:
        old, new = ModelDefinition.parse(before.document), ModelDefinition.parse(after.document)
    except InvalidDocument:
        return None
    plan = plan_evolution(old, new, source_types_of(version=before), source_types_of(version=after))
    shapes = weight_shapes(old)
    kept = sum(size_of(shape) for name, shape in weight_shapes(new).items() if shapes.get(name) == shape)
    verdict, words = _verdict(new, plan.numbers(Fate.KEPT), plan.numbers(Fate.ADDED), plan.numbers(Fate.CHANGED))
    state = old.sparse_optimizer.kind == new.sparse_optimizer.kind
    return Evolution(verdict, words, plan.slots, kept, num_weights(new), state)


def _verdict(new: ModelDefinition, kept: list[int], added: list[int], changed: list[int]) -> tuple[str, str]:
    if changed and new.training.on_changed_slot is OnChangedSlot.REFUSE:
        return "refused", (
            "A run that begins with the earlier version's rows is refused: slots changed what they mean. "
            "Give those slots new numbers, or set training.on_changed_slot to restart."
        )
    if not kept:
        return "anew", "Nothing of the earlier version's embeddings fits: a run begins anew."
    if changed or added:
        num = len(changed) + len(added)
        return "partly", f"{_slots(kept)} go on with their rows, {num} begin{'s' if num == 1 else ''} without."
    return "goes_on", "Every slot goes on with the rows that the earlier version learned."


def _slots(numbers: list[int]) -> str:
    return "1 slot" if len(numbers) == 1 else f"{len(numbers)} slots"
