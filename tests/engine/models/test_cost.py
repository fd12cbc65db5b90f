"""What docs/models.md records of each architecture is what its graph costs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.models.cost import Cost, cost_of
from tests.engine.models.definitions import KINDS, definition_of, reference_of

MODELS_PAGE = Path(__file__).parents[3] / "docs" / "models.md"
ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)


def recorded() -> dict[str, Cost]:
    rows = ROW.findall(MODELS_PAGE.read_text())
    return {kind: Cost(*(int(number.replace(",", "")) for number in numbers)) for kind, *numbers in rows}


def test_every_architecture_has_its_cost_recorded() -> None:
    assert sorted(recorded()) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_recorded_cost_is_counted_on_the_graph(kind: str) -> None:
    assert cost_of(reference_of(kind)) == recorded()[kind]


def test_cost_of_a_deepfm_by_hand() -> None:
    """Five slots of dim 8 and two numbers are 42 inputs: 42 to 1, 42 to 8, 8 to 1; biases are weights too."""
    expected = Cost(num_flops=2 * (42 + 42 * 8 + 8), num_weights=43 + 43 * 8 + 9, num_embedding_floats=40)
    assert cost_of(definition_of("deepfm")) == expected


def test_a_sequence_is_counted_place_by_place() -> None:
    """4 places of attention, of 4·8 inputs to 6 to 1 each, and the sum of 4 places of dim 8."""
    with_history, without = cost_of(definition_of("din")), cost_of(definition_of("deepfm", hidden=[8]))
    assert with_history.num_flops - without.num_flops == 4 * 2 * (32 * 6 + 6) + 4 * 2 * 8 - 2 * 42
    assert with_history.num_embedding_floats - without.num_embedding_floats == 3 * 8
