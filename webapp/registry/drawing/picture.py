"""From a definition to its picture, for `registry/picture.html`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.spec.definition import ModelDefinition
from webapp.registry.architecture_titles import ABOUT
from webapp.registry.drawing import experts, ranking, retrieval
from webapp.registry.drawing.diagram import Diagram
from webapp.registry.drawing.inputs import Inputs, Types
from webapp.registry.drawing.layout import Layout, lay_out

Draw = Callable[[Diagram, ModelDefinition, Inputs], None]

DRAWN: Final[dict[str, Draw]] = {
    "two_tower": retrieval.two_tower,
    "matrix_factorisation": retrieval.matrix_factorisation,
    "sasrec": retrieval.sasrec,
    "logistic_regression": ranking.logistic_regression,
    "fm": ranking.fm,
    "deepfm": ranking.deepfm,
    "wide_deep": ranking.wide_deep,
    "dcn_v2": ranking.dcn_v2,
    "xdeepfm": ranking.xdeepfm,
    "autoint": ranking.autoint,
    "din": experts.din,
    "dlrm": ranking.dlrm,
    "mmoe": experts.mmoe,
    "ple": experts.ple,
}
"""How each kind of architecture is drawn."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing, its title, and the same in sentences."""

    title: str
    layout: Layout
    words: list[str]


def diagram_of(definition: ModelDefinition, types: Types | None = None) -> Diagram:
    """What is drawn. `types` by source as `Inputs` takes them."""
    diagram = Diagram()
    DRAWN[definition.architecture.kind](diagram, definition, Inputs(diagram, definition, types))
    return diagram


def picture_of(definition: ModelDefinition, types: Types | None = None) -> Picture:
    diagram = diagram_of(definition, types)
    title = f"{ABOUT[definition.architecture.kind].title}, from its inputs to what it predicts"
    return Picture(title, lay_out(diagram), diagram.in_words())
