"""What the model form's template shows: rows, architectures and sections as controls, and the document beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webapp.registry.definition_form import ARCHITECTURES, SECTIONS, Control, controls, problems_by_path, row_controls

ABOUT = {
    "two_tower": ("Two towers", "Retrieval: finds hundreds of items in the whole catalogue."),
    "deepfm": ("DeepFM", "Ranking: scores the items that retrieval found."),
}
SECTION_TITLES = {
    "sparse_optimizer": "Embedding optimizer",
    "dense_optimizer": "Network optimizer",
    "training": "Training",
    "sync": "Parameter sync",
}


@dataclass(frozen=True)
class ArchitectureChoice:
    kind: str
    title: str
    about: str
    chosen: bool
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
        "slots": row_controls("slots", document, by_path, {"source": slot_sources}),
        "dense": row_controls("dense", document, by_path, {"source": dense_sources}),
        "tasks": row_controls("tasks", document, by_path, {"event_type": label_events}),
        "architectures": _architectures(document.get("architecture", {}), by_path),
        "sections": [
            Section(SECTION_TITLES[name], controls(section, name, document.get(name, {}), by_path))
            for name, section in SECTIONS.items()
        ],
    }


def _architectures(chosen: Mapping[str, Any], by_path: Mapping[str, str]) -> list[ArchitectureChoice]:
    return [
        ArchitectureChoice(
            kind=kind,
            title=ABOUT[kind][0],
            about=ABOUT[kind][1],
            chosen=chosen.get("kind") == kind,
            controls=controls(model, f"architecture.{kind}", chosen if chosen.get("kind") == kind else {}, by_path),
        )
        for kind, model in ARCHITECTURES.items()
    ]
