"""Architectures that find items in the whole catalogue, each with its settings."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from engine.spec.document import Document, Name
from engine.spec.layer_settings import Hidden, SlotNames
from engine.spec.slot import Pooling, Side, Slot

if TYPE_CHECKING:
    from engine.spec.definition import ModelDefinition


class RetrievalLoss(StrEnum):
    """`softmax`: over all candidates of the batch (Yi et al., RecSys 2019). `bce`: is it the item, or one of `num_negatives` others (Kang
    and McAuley, ICDM 2018)? `bpr`: the item above each of them (Rendle et al., UAI 2009).
    """

    SOFTMAX = "softmax"
    BCE = "bce"
    BPR = "bpr"


class Retrieval(Document):
    """What every retrieval architecture has: vectors of users and items whose dot product ranks the catalogue."""

    kind: str
    output_dim: int = Field(default=32, ge=1, le=512, description="floats of a user's and of an item's vector")
    temperature: float = Field(
        default=0.1,
        gt=0,
        le=10,
        description="scores are divided by it in the loss: smaller tells near items apart harder",
    )
    log_q_correction: bool = Field(
        default=True, description="popular items are drawn more often as negatives; this takes that out of their scores"
    )
    loss: RetrievalLoss = Field(
        default=RetrievalLoss.SOFTMAX,
        description="softmax over the batch's candidates; bce or bpr against a few of them",
    )
    num_negatives: int = Field(
        default=16, ge=1, le=256, description="bce, bpr: with how many of the batch's candidates each item is compared"
    )

    def check(self, definition: ModelDefinition) -> None:
        """Raise ValueError, naming what is missing, when the definition has not what the architecture needs."""
        if len(definition.tasks) > 1:
            raise ValueError(f"a {self.kind} learns one task, received {len(definition.tasks)}")
        task = definition.tasks[0]
        if task.kind != "binary" or task.loss != "bce" or task.weight != 1.0:
            raise ValueError(
                f"a {self.kind} has a loss of its own; its task must be binary, with loss bce and weight 1"
            )

    def _check_sides(self, definition: ModelDefinition) -> None:
        if not {definition.side_of(slot.source) for slot in definition.slots} >= {Side.USER, Side.ITEM}:
            raise ValueError(f"a {self.kind} needs at least one slot of the user side and one of the item side")


class TwoTower(Retrieval):
    """User and item towers, in-batch sampled softmax with log-Q correction (Yi et al., RecSys 2019)."""

    kind: Literal["two_tower"] = "two_tower"
    hidden: Hidden = Field(default_factory=lambda: [64], description="units of each hidden layer of both towers")

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        self._check_sides(definition)


class MatrixFactorisation(Retrieval):
    """A vector and a bias for each user and item, features adding to them (Koren, Bell and Volinsky, 2009; Kula, 2015)."""

    kind: Literal["matrix_factorisation"] = "matrix_factorisation"
    output_dim: int = Field(
        default=16, ge=2, le=512, description="the dim of every slot: factors, and one for the bias"
    )

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        self._check_sides(definition)
        for slot in definition.slots:
            if slot.dim != self.output_dim:
                raise ValueError(
                    f"slot {slot.name} has dim {slot.dim}, but a matrix_factorisation adds up its slots, and its output_dim is "
                    f"{self.output_dim}"
                )


class SASRec(Retrieval):
    """The order of the user's history says what comes next: causal self-attention (Kang and McAuley, ICDM 2018)."""

    kind: Literal["sasrec"] = "sasrec"
    sequence_slot: Name = Field(default="history", description="the slot of past items; its pooling is sequence")
    context_slots: SlotNames = Field(
        default_factory=list,
        description="sequences parallel to the first, as event types and ages, that are added to it",
    )
    num_blocks: int = Field(default=2, ge=1, le=8, description="blocks of self-attention, one on the other")
    num_heads: int = Field(default=1, ge=1, le=16, description="parts of the embedding that attend each by itself")

    def check(self, definition: ModelDefinition) -> None:
        super().check(definition)
        self._check_sides(definition)
        sequence = self._sequence(definition, "sequence_slot", self.sequence_slot)
        if sequence.dim % self.num_heads:
            raise ValueError(f"slot {sequence.name} has dim {sequence.dim}, which {self.num_heads} heads cannot share")
        for name in self.context_slots:
            slot = self._sequence(definition, "context_slots", name)
            if (slot.dim, slot.max_values) != (sequence.dim, sequence.max_values):
                raise ValueError(
                    f"slot {slot.name} has dim {slot.dim} and max_values {slot.max_values}, but is added to {sequence.name}, "
                    f"which has {sequence.dim} and {sequence.max_values}"
                )

    def _sequence(self, definition: ModelDefinition, field: str, name: str) -> Slot:
        for slot in definition.slots:
            if slot.name == name:
                if slot.pooling is not Pooling.SEQUENCE or definition.side_of(slot.source) is not Side.USER:
                    raise ValueError(
                        f"a sasrec needs slot {name} as a sequence of the user side; set its pooling to sequence"
                    )
                return slot
        raise ValueError(f"{field} must name a slot, received {name}")
