"""What the model form's template shows: rows, architectures and sections as controls, and the document beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.spec.architecture import ARCHITECTURES
from engine.spec.definition import Slot
from webapp.registry.architecture_titles import ABOUT
from webapp.registry.controls import Control, controls, variant_control
from webapp.registry.definition_form import (
    DENSE_OPTIMIZERS,
    SCORES,
    SECTIONS,
    SLOT_RULES,
    SPARSE_OPTIMIZERS,
    problems_by_path,
    row_controls,
)
from webapp.registry.field_shapes import Variants

DEFAULT_KINDS = {"sparse_optimizer": "adagrad", "dense_optimizer": "adam", "score": "first_task"}
SECTION_TITLES = {
    "training": "Training",
    "sync": "Parameter sync",
    "retention": "Memory of embeddings",
    "serving": "Serving",
}


@dataclass(frozen=True)
class ArchitectureChoice:
    kind: str
    title: str
    about: str
    chosen: bool
    controls: list[Control]


@dataclass(frozen=True)
class SlotRules:
    """What earns and loses a slot's ids their rows. A slot that shares has its `owner`'s rules, and no controls while it names none."""

    name: str
    owner: str
    controls: list[Control]


@dataclass(frozen=True)
class Section:
    title: str
    controls: list[Control]


def form_context(
    document: Mapping[str, Any],
    problems: list[dict[str, str]],
    *,
    slot_sources: list[str],
    dense_sources: list[str],
    label_events: list[str],
) -> dict[str, Any]:
    """The template's context for an editable document (`definition_form.is_editable`)."""
    by_path = problems_by_path(problems)
    names = [str(slot.get("name", "")) for slot in document.get("slots", []) if slot.get("name")]
    return {
        "document": document,
        "slot_names": names,
        "features": row_controls("features", document, by_path, {"source": sorted({*slot_sources, *dense_sources})}),
        "slots": row_controls("slots", document, by_path, {"source": slot_sources}, only=_slot_fields()),
        "slot_rules": _slot_rules(document, by_path),
        "dense": row_controls("dense", document, by_path, {"source": dense_sources}),
        "tasks": row_controls("tasks", document, by_path, {"event_type": label_events}),
        "architectures": _architectures(document.get("architecture", {}), by_path),
        "sections": [
            Section("Score", [_variant("score", SCORES, document, by_path, "Ranked by")]),
            Section(
                "Embedding optimizer", [_variant("sparse_optimizer", SPARSE_OPTIMIZERS, document, by_path, "Optimizer")]
            ),
            Section(
                "Network optimizer", [_variant("dense_optimizer", DENSE_OPTIMIZERS, document, by_path, "Optimizer")]
            ),
            *(
                Section(SECTION_TITLES[name], controls(section, name, document.get(name, {}), by_path))
                for name, section in SECTIONS.items()
            ),
        ],
    }


def _slot_fields() -> list[str]:
    return [name for name in Slot.model_fields if name not in SLOT_RULES]


def _slot_rules(document: Mapping[str, Any], by_path: Mapping[str, str]) -> list[SlotRules]:
    made = []
    rows = document.get("slots") or []
    for slot, own in zip(rows, row_controls("slots", document, by_path, only=SLOT_RULES), strict=True):
        names_rules = slot.get("expiry") or (slot.get("admission") or {}).get("kind", "always") != "always"
        owner = str(slot.get("shares") or "")
        made.append(SlotRules(str(slot.get("name") or ""), owner, own if names_rules or not owner else []))
    return made


def _variant(
    name: str, shape: Variants, document: Mapping[str, Any], by_path: Mapping[str, str], label: str
) -> Control:
    """A definition that names no kind, as of an optimizer, has the specification's."""
    values = document.get(name, {})
    named = values if values.get("kind") else {"kind": DEFAULT_KINDS[name], **values}
    return variant_control(shape, name, named, by_path, label=label)


def _architectures(chosen: Mapping[str, Any], by_path: Mapping[str, str]) -> list[ArchitectureChoice]:
    return [
        ArchitectureChoice(
            kind=kind,
            title=ABOUT[kind].title,
            about=ABOUT[kind].words,
            chosen=chosen.get("kind") == kind,
            controls=controls(model, f"architecture.{kind}", chosen if chosen.get("kind") == kind else {}, by_path),
        )
        for kind, model in ARCHITECTURES.items()
    ]
