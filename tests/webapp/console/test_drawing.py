"""The picture of a definition: true to its layers, nothing over anything else, said in words too."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import pytest
from django.template.loader import render_to_string

from engine.spec.architecture import ARCHITECTURES
from engine.spec.definition import ModelDefinition
from engine.spec.dense_weights import num_weights
from tests.engine.models.definitions import CLICK, KINDS, definition_of, is_retrieval_kind
from webapp.registry.drawing.diagram import Diagram
from webapp.registry.drawing.layout import CHARACTER, PlacedBox
from webapp.registry.drawing.picture import DRAWN, diagram_of, picture_of

WEIGHTS = re.compile(r"([\d,]+) weights$|^weights ([\d,]+)$")
BUY = {"name": "buy", "event_type": "purchase"}
WATCHED = {"kind": "regression", "name": "watched", "event_type": "click", "property": "seconds"}


def drawn_weights(diagram: Diagram) -> int:
    found = [WEIGHTS.search(line.words) for box in diagram.boxes.values() for line in box.lines]
    return sum(int((match[1] or match[2]).replace(",", "")) for match in found if match)


def without_numbers(definition: ModelDefinition) -> ModelDefinition:
    return ModelDefinition.parse({**definition.as_json(), "dense": []})


def many_slots(kind: str, num: int) -> ModelDefinition:
    document = definition_of(kind).as_json()
    dim = document["slots"][0]["dim"]
    for place in range(num):
        source = f"{('user', 'item')[place % 2]}.property_{place}"
        document["slots"].append(
            {"name": f"a_rather_long_name_{place}", "number": 100 + place, "source": source, "dim": dim}
        )
        document["dense"].append({"name": f"number_{place}", "source": f"item.number_{place}"})
    return ModelDefinition.parse(document)


def overlap(one: PlacedBox, other: PlacedBox) -> bool:
    apart = one.x + one.width <= other.x or other.x + other.width <= one.x
    return not apart and not (one.y + one.height <= other.y or other.y + other.height <= one.y)


def test_it_draws_every_architecture() -> None:
    assert list(DRAWN) == list(ARCHITECTURES)


@pytest.mark.parametrize("kind", KINDS)
def test_it_draws_every_weight_that_the_architecture_has(kind: str) -> None:
    for definition in (definition_of(kind), without_numbers(definition_of(kind))):
        assert drawn_weights(diagram_of(definition)) == num_weights(definition)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not is_retrieval_kind(kind)])
def test_it_draws_gates_and_a_box_for_each_task(kind: str) -> None:
    gates: dict[str, Any] = {"senet_reduction": 2, "lhuc_slots": ["item_id"]}
    gated = gates if kind not in ("logistic_regression", "fm") else {}
    definition = definition_of(kind, tasks=(CLICK, BUY, WATCHED), **gated)
    definition = definition.model_copy(
        update={
            "score": ModelDefinition.parse(
                {**definition.as_json(), "score": {"kind": "product", "weights": {"click": 1, "watched": 0.3}}}
            ).score
        }
    )
    diagram = diagram_of(definition)
    assert drawn_weights(diagram) == num_weights(definition)
    assert {"task_click", "task_buy", "task_watched", "score"} <= diagram.boxes.keys()
    assert diagram.boxes["score"].lines[0].words == "click × watched^0.3"
    assert ("senet" in diagram.boxes) == bool(gated)


@pytest.mark.parametrize("kind", KINDS)
def test_it_lays_nothing_over_anything_with_sixty_inputs(kind: str) -> None:
    layout = picture_of(many_slots(kind, 60)).layout
    for one, other in combinations(layout.boxes, 2):
        assert not overlap(one, other), (one.box.title, other.box.title)
    for placed in layout.boxes:
        assert placed.x >= 0 and placed.y >= 0
        assert placed.x + placed.width <= layout.width and placed.y + placed.height <= layout.height
        for line in placed.box.lines:
            assert CHARACTER * len(line.words) <= placed.right - placed.left + 0.01


def test_it_groups_what_does_not_fit() -> None:
    boxes = diagram_of(many_slots("deepfm", 60)).boxes
    assert boxes["user_slots"].lines[-1].words == "and 26 more dim 8"
    assert boxes["numbers"].lines[-1].words == "and 55 more 55"


def test_it_says_the_picture_in_words() -> None:
    """The reference of `Parts`: five slots of dim 8 beside two numbers are 42 columns."""
    words = picture_of(definition_of("deepfm")).words
    assert words[0] == "User slots: user_id 8; history mean of 4 · 8; device 8."
    assert "Deep network takes Side by side: 42 → 8 ReLU; weights 344." in words
    assert (
        "Logit takes First order, Factorization machine and Deep network: 8 → 1 linear, 9 weights; sum of the three."
        in words
    )


def test_it_escapes_what_people_named_and_has_no_styles_of_its_own() -> None:
    html = render_to_string("registry/picture.html", {"picture": picture_of(definition_of("din"))})
    assert "style=" not in html
    assert html.count("<title") == 1 and 'role="img"' in html
    assert "History takes" not in html and "<li>History: history 4 × 8.</li>" in html
