"""What the model form's template shows: rows, architectures and sections as controls, each with what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from engine.spec.architecture import ARCHITECTURES, kinds_of_retrieval
from engine.spec.definition import Slot
from engine.spec.schema import Schema
from engine.spec.source_types import SourceType, source_types
from webapp.registry.architecture_titles import ABOUT, PURPOSES, About
from webapp.registry.controls import Control, controls, every_control, variant_control
from webapp.registry.definition_form import (
    DENSE_OPTIMIZERS,
    SCORES,
    SECTIONS,
    SLOT_RULES,
    SPARSE_OPTIMIZERS,
    problems_by_path,
    row_controls,
)
from webapp.registry.definition_words import definition_words
from webapp.registry.field_shapes import Variants
from webapp.registry.first_definition import dense_sources, feature_sources, label_events, slot_sources
from webapp.registry.source_words import offers, source_words

DEFAULT_KINDS = {"sparse_optimizer": "adagrad", "dense_optimizer": "adam", "score": "first_task"}
SECTION_TITLES = {
    "training": ("Training", "Batches, what is held out, how often state is saved."),
    "sync": ("Parameter sync", "How soon what was learned reaches the replicas."),
    "retention": ("Memory of embeddings", "What the tables may take, and what goes when they are full."),
    "serving": ("Serving", "The copy that replicas answer from."),
}
BASIC: Final = {
    "training": ("batch_size", "online_batch_size", "evaluate_fraction", "slices"),
    "sync": ("interval_s", "snapshot_every_s"),
    "retention": ("max_table_bytes", "evict"),
    "serving": ("precision",),
}
"""Fields that a section shows at once; the others are folded."""

ADVANCED_OF_ARCHITECTURE: Final = frozenset(
    {
        "num_negatives", "temperature", "log_q_correction", "loss", "senet_reduction", "lhuc_slots", "rank", "structure",
        "context_slots", "activation", "num_heads", "head_dim",
    }
)  # fmt: skip


@dataclass(frozen=True)
class ArchitectureChoice:
    kind: str
    about: About
    chosen: bool
    controls: list[Control]
    advanced: list[Control]


@dataclass(frozen=True)
class PurposeChoice:
    """The architectures of a purpose."""

    title: str
    words: str
    architectures: list[ArchitectureChoice]
    chosen: bool


@dataclass(frozen=True)
class SlotRules:
    """What earns and loses a slot's ids their rows. A slot that shares has its `owner`'s rules, and no controls while it names none."""

    name: str
    owner: str
    controls: list[Control]


@dataclass(frozen=True)
class SlotForm:
    """One slot: what is shown at once, what is folded, its rules, and in words what its source is and what its rules say."""

    main: list[Control]
    more: list[Control]
    rules: SlotRules
    source_words: str
    rule_words: str
    is_wrong: bool


@dataclass(frozen=True)
class Section:
    """A part that folds. `said`: what it says now, in short."""

    key: str
    title: str
    about: str
    controls: list[Control]
    advanced: list[Control] = field(default_factory=list)
    said: str = ""

    @property
    def is_wrong(self) -> bool:
        return _any_wrong([*self.controls, *self.advanced])

    @property
    def advanced_wrong(self) -> bool:
        return _any_wrong(self.advanced)


def form_context(document: Mapping[str, Any], problems: list[dict[str, str]], schema: Schema) -> dict[str, Any]:
    """The template's context for an editable document (`definition_form.is_editable`)."""
    by_path = problems_by_path(problems)
    types = source_types(schema)
    of_features = feature_sources(document)
    for_slots, for_numbers = slot_sources(schema) + of_features, dense_sources(schema) + of_features
    kind = (document.get("architecture") or {}).get("kind", "")
    words = definition_words(document)
    purposes = _purposes(document.get("architecture", {}), by_path)
    return {
        "document": document,
        "slot_names": [str(slot.get("name", "")) for slot in document.get("slots", []) if slot.get("name")],
        "features": row_controls("features", document, by_path, {"source": sorted({*for_slots, *for_numbers})}),
        "slots": _slots(document, by_path, for_slots, types, words.get("slots", {})),
        "slot_rules": _slot_rules(document, by_path),
        "dense": row_controls("dense", document, by_path, {"source": for_numbers}),
        "tasks": row_controls("tasks", document, by_path, {"event_type": label_events(schema)}),
        "purposes": purposes,
        "chosen": ABOUT.get(kind),
        "chosen_kind": kind,
        "offers": offers(schema, document, is_retrieval=kind in kinds_of_retrieval()),
        "sections": _sections(document, by_path, words),
    }


def controls_of(context: Mapping[str, Any]) -> Iterable[Control]:
    """Every control that a context's page has, in no order."""
    rows = [*context["features"], *context["dense"], *context["tasks"]]
    rows += [part for slot in context["slots"] for part in (slot.main, slot.more, slot.rules.controls)]
    rows += [part for section in context["sections"] for part in (section.controls, section.advanced)]
    for purpose in context["purposes"]:
        rows += [part for one in purpose.architectures for part in (one.controls, one.advanced)]
    for row in rows:
        yield from every_control(row)


def posted_by(context: Mapping[str, Any]) -> dict[str, str]:
    """What a browser posts for the page as it was made, before anybody changes it."""
    posted = {"architecture.kind": context["chosen_kind"]}
    for control in controls_of(context):
        if control.kind != "boolean":
            posted[control.path] = control.value
        elif control.checked:
            posted[control.path] = "on"
    return posted


def _sections(document: Mapping[str, Any], by_path: Mapping[str, str], words: Mapping[str, Any]) -> list[Section]:
    made = [
        Section(
            "score",
            "Score",
            "What items are ranked by.",
            [_variant("score", SCORES, document, by_path, "Ranked by")],
            said=words.get("score", ""),
        ),
        Section(
            "sparse_optimizer",
            "Embedding optimizer",
            "How far each id's row goes along its gradient.",
            [_variant("sparse_optimizer", SPARSE_OPTIMIZERS, document, by_path, "Optimizer")],
            said=words.get("optimizer", ""),
        ),
        Section(
            "dense_optimizer",
            "Network optimizer",
            "How the dense weights learn.",
            [_variant("dense_optimizer", DENSE_OPTIMIZERS, document, by_path, "Optimizer")],
            said=words.get("network_optimizer", ""),
        ),
    ]
    for name, section in SECTIONS.items():
        every = controls(section, name, document.get(name, {}), by_path)
        basic = [control for control in every if control.path.removeprefix(f"{name}.") in BASIC[name]]
        title, about = SECTION_TITLES[name]
        rest = [control for control in every if control not in basic]
        made.append(Section(name, title, about, basic, rest, _said(basic)))
    return made


def _said(made: list[Control]) -> str:
    """The values of a section's first controls, in short."""
    return ", ".join(f"{control.label.lower()} {control.value}" for control in made if control.value)


def _any_wrong(made: Iterable[Control]) -> bool:
    return any(control.problem for control in every_control(list(made)))


def _slots(
    document: Mapping[str, Any],
    by_path: Mapping[str, str],
    sources: list[str],
    types: Mapping[str, SourceType],
    words: Mapping[str, str],
) -> list[SlotForm]:
    rows = document.get("slots") or []
    shown = row_controls("slots", document, by_path, {"source": sources}, only=_slot_fields())
    made = []
    for slot, row, rules in zip(rows, shown, _slot_rules(document, by_path), strict=True):
        main = [control for control in row if control.path.rpartition(".")[2] in ("name", "source", "dim")]
        more = [control for control in row if control not in main]
        is_wrong = _any_wrong([*more, *rules.controls])
        what = source_words(str(slot.get("source") or ""), types)
        made.append(SlotForm(main, more, rules, what, words.get(str(slot.get("name")), ""), is_wrong))
    return made


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


def _purposes(chosen: Mapping[str, Any], by_path: Mapping[str, str]) -> list[PurposeChoice]:
    return [
        PurposeChoice(
            purpose.title,
            purpose.words,
            [_architecture(kind, chosen, by_path) for kind in purpose.kinds],
            chosen.get("kind") in purpose.kinds,
        )
        for purpose in PURPOSES
    ]


def _architecture(kind: str, chosen: Mapping[str, Any], by_path: Mapping[str, str]) -> ArchitectureChoice:
    is_chosen = chosen.get("kind") == kind
    every = controls(ARCHITECTURES[kind], f"architecture.{kind}", chosen if is_chosen else {}, by_path)
    advanced = [control for control in every if control.path.rpartition(".")[2] in ADVANCED_OF_ARCHITECTURE]
    basic = [control for control in every if control not in advanced]
    return ArchitectureChoice(kind, ABOUT[kind], is_chosen, basic, advanced)
