"""The model definition: slots, dense inputs, tasks, architecture, optimizers, training and sync settings."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from engine.errors import InvalidDocument, Problem
from engine.spec.document import Document, Name
from engine.spec.retention import Retention
from engine.spec.schema import PropertyType, Schema
from engine.spec.serving_copy import ServingCopy
from engine.spec.slot import AdmitAlways, Side, Slot, Source, side_of
from engine.spec.sparse_optimizer import SparseAdagrad, SparseOptimizer

__all__ = [
    "Architecture",
    "DeepFM",
    "DenseAdam",
    "DenseInput",
    "DenseTransform",
    "ModelDefinition",
    "Side",
    "Slot",
    "SparseAdagrad",
    "Sync",
    "Task",
    "Training",
    "TwoTower",
    "side_of",
]


class DenseTransform(StrEnum):
    IDENTITY = "identity"
    LOG1P = "log1p"


class DenseInput(Document):
    """One floating-point input; a missing value is 0.0. `log1p` is sign(x)·ln(1+|x|)."""

    name: Name
    source: Source
    transform: DenseTransform = DenseTransform.IDENTITY


class Task(Document):
    """One binary label: did an event of this type follow?"""

    name: Name = "click"
    event_type: Name = "click"


class TwoTower(Document):
    """Retrieval: user and item towers, in-batch sampled softmax with log-Q correction (Yi et al., RecSys 2019)."""

    kind: Literal["two_tower"] = "two_tower"
    hidden: list[int] = Field(
        default_factory=lambda: [64], max_length=8, description="units of each hidden layer of both towers"
    )
    output_dim: int = Field(default=32, ge=1, le=512)
    temperature: float = Field(default=0.1, gt=0, le=10)
    log_q_correction: bool = True


class DeepFM(Document):
    """Ranking: first-order terms, factorization machine and a deep network over the same embeddings (Guo et al., IJCAI 2017)."""

    kind: Literal["deepfm"] = "deepfm"
    hidden: list[int] = Field(default_factory=lambda: [64, 32], max_length=8)
    num_negatives: int = Field(
        default=4, ge=1, le=100, description="negatives sampled for each action that came without an impression"
    )


Architecture = Annotated[TwoTower | DeepFM, Field(discriminator="kind")]


class DenseAdam(Document):
    kind: Literal["adam"] = "adam"
    learning_rate: float = Field(default=0.001, gt=0, le=1)


class Training(Document):
    batch_size: int = Field(default=512, ge=1, le=65_536)
    linger_s: float = Field(default=0.2, ge=0, le=60, description="online: the longest a partly filled batch waits")
    seed: int = Field(default=17, ge=0, lt=2**63)
    checkpoint_every_s: float = Field(default=30.0, gt=0)
    evaluate_fraction: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of positive examples ranked against the catalogue for HR@k before they are learned",
    )


class Sync(Document):
    interval_s: float = Field(default=1.0, gt=0, le=3600, description="a delta of touched rows each so many seconds")
    dense_interval_s: float = Field(default=5.0, gt=0, description="dense weights travel at most this often")
    snapshot_every_s: float = Field(default=60.0, gt=0)
    max_delta_bytes: int = Field(
        default=4 * 2**20, ge=2**16, le=2**26, description="a larger delta is cut into several, numbered each"
    )


class ModelDefinition(Document):
    """Everything that says how a model learns and travels; versioned by the registry. JSON Schema from `json_schema()`."""

    slots: list[Slot] = Field(min_length=1, max_length=500)
    dense: list[DenseInput] = Field(default_factory=list, max_length=500)
    tasks: list[Task] = Field(default_factory=lambda: [Task()], min_length=1, max_length=1)
    architecture: Architecture
    sparse_optimizer: SparseOptimizer = Field(default_factory=SparseAdagrad)
    dense_optimizer: DenseAdam = Field(default_factory=DenseAdam)
    training: Training = Field(default_factory=Training)
    sync: Sync = Field(default_factory=Sync)
    retention: Retention = Field(default_factory=Retention)
    serving: ServingCopy = Field(default_factory=ServingCopy)

    @model_validator(mode="after")
    def _coherent(self) -> ModelDefinition:
        names = [slot.name for slot in self.slots] + [dense.name for dense in self.dense]
        if len(set(names)) != len(names):
            raise ValueError("slot and dense input names must differ from each other")
        owners = {slot.name: slot for slot in self.slots if slot.shares is None}
        numbers = [slot.number for slot in owners.values()]
        if len(set(numbers)) != len(numbers):
            raise ValueError("two slots have the same number; use `shares` to share rows")
        for slot in self.slots:
            if slot.shares is None:
                continue
            owner = owners.get(slot.shares)
            if owner is None:
                raise ValueError(f"slot {slot.name} shares {slot.shares}, which is not a slot with rows of its own")
            if owner.dim != slot.dim:
                raise ValueError(
                    f"slot {slot.name} has dim {slot.dim}, but shares {owner.name}, whose dim is {owner.dim}"
                )
            if slot.expiry is not None or not isinstance(slot.admission, AdmitAlways):
                raise ValueError(
                    f"slot {slot.name} shares {owner.name}, whose admission and expiry rule the rows; give it none of its own"
                )
        sides = {side_of(slot.source) for slot in self.slots}
        if isinstance(self.architecture, TwoTower) and sides != {Side.USER, Side.ITEM}:
            raise ValueError("a two_tower needs at least one slot of the user side and one of the item side")
        if isinstance(self.architecture, DeepFM) and len({slot.dim for slot in self.slots}) != 1:
            raise ValueError("a deepfm needs the same dim in every slot")
        return self

    def number_of(self, slot: Slot) -> int:
        """The slot number that goes into the slot's FIDs (the owner's, for a slot that shares)."""
        if slot.shares is None:
            return slot.number
        return next(other.number for other in self.slots if other.name == slot.shares)

    @property
    def dims(self) -> list[int]:
        """Distinct embedding dims, ascending; the model has one table for each, named `dim<d>`."""
        return sorted({slot.dim for slot in self.slots})

    @staticmethod
    def json_schema() -> dict[str, object]:
        return ModelDefinition.model_json_schema()

    def check_against(self, schema: Schema) -> None:
        """Raise `InvalidDocument` when a source or task names what the schema does not declare, or has an unusable type."""
        problems: list[Problem] = []
        event_properties: dict[str, PropertyType] = {}
        for declared in schema.events.values():
            event_properties.update({name: prop.type for name, prop in declared.properties.items()})
        known: dict[str, PropertyType] = {
            "user.id": PropertyType.STRING,
            "item.id": PropertyType.STRING,
            "user.history": PropertyType.STRING_LIST,
            **{f"user.{name}": prop.type for name, prop in schema.users.items()},
            **{f"item.{name}": prop.type for name, prop in schema.items.items()},
            **{f"event.{name}": kind for name, kind in event_properties.items()},
        }
        for index, slot in enumerate(self.slots):
            if slot.source not in known:
                problems.append(Problem(f"slots.{index}.source", "is not declared in the schema", repr(slot.source)))
            elif known[slot.source] is PropertyType.FLOAT:
                problems.append(
                    Problem(f"slots.{index}.source", "is a float; make it a dense input", repr(slot.source))
                )
        for index, dense in enumerate(self.dense):
            numeric = (PropertyType.INTEGER, PropertyType.FLOAT, PropertyType.BOOLEAN)
            if dense.source not in known:
                problems.append(Problem(f"dense.{index}.source", "is not declared in the schema", repr(dense.source)))
            elif known[dense.source] not in numeric:
                problems.append(Problem(f"dense.{index}.source", "is not a number; make it a slot", repr(dense.source)))
        for index, task in enumerate(self.tasks):
            if task.event_type not in schema.events:
                problems.append(
                    Problem(f"tasks.{index}.event_type", "is not declared in the schema", repr(task.event_type))
                )
        if problems:
            raise InvalidDocument("model definition", problems)
