"""How a run reads, learns and saves."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from engine.spec.document import Document
from engine.spec.early_stopping import EarlyStopping


def _is_property(source: str) -> str:
    if source in {"user.id", "item.id", "user.history", "event.time"}:
        raise ValueError(f"must be a declared property, received {source}")
    return source


SliceSource = Annotated[
    str, StringConstraints(pattern=r"^(user|item|event)\.[a-z][a-z0-9_]{0,62}$"), AfterValidator(_is_property)
]
"""A property by whose values metrics are shown: `user.<property>`, `item.<property>`, `event.<property>`."""


class Precision(StrEnum):
    """Of what a network computes. `bfloat16_mixed`: hidden layers in bfloat16; weights, logits, losses and updates in float32."""

    FLOAT32 = "float32"
    BFLOAT16_MIXED = "bfloat16_mixed"


class OnChangedSlot(StrEnum):
    """What a run does that starts from an earlier version's checkpoint, with a slot whose rows mean something else now.

    `refuse`: it does not start, and says which slot and why. `restart`: the slot begins without rows.
    """

    REFUSE = "refuse"
    RESTART = "restart"


class LatePositives(StrEnum):
    """What a positive that comes after its impression was learned as a negative does about that (`Example.corrects`).

    `plain`: nothing; it is learned beside it. `corrected`: it takes the negative's step back, by its weight.
    """

    PLAIN = "plain"
    CORRECTED = "corrected"


class Training(Document):
    batch_size: int = Field(default=512, ge=1, le=65_536, description="examples of a step")
    online_batch_size: int | None = Field(
        default=None, ge=1, le=65_536, description="online: the same, where it should differ from that of a batch run"
    )
    early_stopping: EarlyStopping | None = Field(
        default=None, description="batch: several epochs, ended by examples held out; without it one pass over all"
    )
    linger_s: float = Field(default=0.2, ge=0, le=60, description="online: the longest a partly filled batch waits")
    seed: int = Field(
        default=17,
        ge=0,
        lt=2**63,
        description="first weights and draws follow from it: the same seed gives the same run",
    )
    on_changed_slot: OnChangedSlot = Field(
        default=OnChangedSlot.REFUSE,
        description="of a run that starts from an earlier version's checkpoint, where a slot's dim or source changed",
    )
    precision: Precision = Field(
        default=Precision.FLOAT32, description="of the network; bfloat16_mixed is faster where the processor has it"
    )
    late_positives: LatePositives = Field(
        default=LatePositives.PLAIN,
        description="a positive that comes after its impression was learned as a negative: plain leaves both, corrected takes the "
        "negative back by the positive's weight; for binary tasks with the loss bce, where the schema has joining.late_s",
    )
    checkpoint_every_s: float = Field(
        default=30.0, gt=0, description="all training state is saved each so many seconds; what came since is replayed"
    )
    evaluate_fraction: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of positive examples ranked against the catalogue for HR@k before they are learned",
    )
    slices: list[SliceSource] = Field(
        default_factory=list,
        max_length=8,
        description="properties by whose values metrics are shown too, such as event.device: 20 values of each, and the rest as one",
    )

    @property
    def size_online(self) -> int:
        """The most examples of an online step."""
        return self.online_batch_size or self.batch_size

    @property
    def max_batch_size(self) -> int:
        """The most examples of any step."""
        return max(self.batch_size, self.size_online)
