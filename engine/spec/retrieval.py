"""Architectures that find items in the whole catalogue, each with its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from engine.spec.document import Document
from engine.spec.layer_settings import Hidden
from engine.spec.slot import Side

if TYPE_CHECKING:
    from engine.spec.definition import ModelDefinition


class Retrieval(Document):
    """What every retrieval architecture has: vectors of users and items whose dot product ranks the catalogue."""

    kind: str
    output_dim: int = Field(default=32, ge=1, le=512)
    temperature: float = Field(default=0.1, gt=0, le=10)
    log_q_correction: bool = True

    def check(self, definition: ModelDefinition) -> None:
        """Raise ValueError, naming what is missing, when the definition has not what the architecture needs."""
        if len(definition.tasks) > 1:
            raise ValueError(f"a {self.kind} learns one task, received {len(definition.tasks)}")
        task = definition.tasks[0]
        if task.kind != "binary" or task.loss != "bce" or task.weight != 1.0:
            raise ValueError(
                f"a {self.kind} has a loss of its own; its task must be binary, with loss bce and weight 1"
            )


class TwoTower(Retrieval):
    """User and item towers, in-batch sampled softmax with log-Q correction (Yi et al., RecSys 2019)."""

    kind: Literal["two_tower"] = "two_tower"
    hidden: Hidden = Field(default_factory=lambda: [64], description="units of each hidden layer of both towers")

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        if not {definition.side_of(slot.source) for slot in definition.slots} >= {Side.USER, Side.ITEM}:
            raise ValueError("a two_tower needs at least one slot of the user side and one of the item side")
