"""What runs have counted already: rows by slot, for definitions with a slot of the same source and rules."""

from __future__ import annotations

from typing import Any, Final

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition, Slot
from engine.spec.evolution import made_of
from webapp.accounts.models import Project
from webapp.registry.sizing.estimate import Counted
from webapp.training.models import Run

_RUNS_LOOKED_AT: Final = 10


def counted_rows(*, project: Project, definition: ModelDefinition) -> dict[str, Counted]:
    """By the name of a slot of the definition: the rows of the newest run that has a slot like it."""
    runs = Run.objects.filter(project=project, report__has_key="slots").order_by("-id")
    found: dict[str, Counted] = {}
    rows = runs.values(
        "id", "report__slots", "model_version__document", "model_version__model__name", "model_version__version"
    )
    for row in rows[:_RUNS_LOOKED_AT]:
        other = _parsed(row["model_version__document"])
        if other is None:
            continue
        counts = {each["name"]: each.get("num_rows") for each in row["report__slots"]}
        version = f"{row['model_version__model__name']} v{row['model_version__version']}"
        for slot in definition.slots:
            alike = next((each for each in other.slots if _is_alike(definition, slot, other, each)), None)
            num_rows = counts.get(alike.name) if alike else None
            if slot.name not in found and num_rows is not None:
                found[slot.name] = Counted(num_rows, row["id"], version)
    return found


def _is_alike(definition: ModelDefinition, slot: Slot, other: ModelDefinition, theirs: Slot) -> bool:
    """Whether both slots have rows of their own for the same ids, under the same rules."""
    if slot.shares is not None or theirs.shares is not None:
        return False
    rules = (slot.admission, slot.expiry) == (theirs.admission, theirs.expiry)
    return rules and made_of(definition, slot.source) == made_of(other, theirs.source)


def _parsed(document: Any) -> ModelDefinition | None:
    try:
        return ModelDefinition.parse(document)
    except InvalidDocument:
        return None
