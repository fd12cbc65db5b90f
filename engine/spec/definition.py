"""The model definition: slots, dense inputs, tasks, architecture, optimizers, training and sync settings."""

from __future__ import annotations

from pydantic import Field, model_validator

from engine.errors import InvalidDocument, Problem
from engine.spec.architecture import Architecture, is_retrieval
from engine.spec.dense_input import DenseInput, DenseTransform
from engine.spec.dense_optimizer import DenseAdam, DenseOptimizer
from engine.spec.document import Document
from engine.spec.early_stopping import WatchedMetric
from engine.spec.feature import Feature
from engine.spec.ranking import DeepFM
from engine.spec.retention import Retention
from engine.spec.retrieval import TwoTower
from engine.spec.schema import PropertyType, Schema
from engine.spec.score import FirstTask, Score
from engine.spec.serving_copy import ServingCopy
from engine.spec.slot import AdmitAlways, Side, Slot, side_of
from engine.spec.source_types import check_slices, check_sources
from engine.spec.sparse_optimizer import SparseAdagrad, SparseOptimizer
from engine.spec.sync_settings import Sync
from engine.spec.task import BinaryLoss, BinaryTask, Task
from engine.spec.training_settings import Training

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


def _one_task() -> list[Task]:
    return [BinaryTask()]


class ModelDefinition(Document):
    """Everything that says how a model learns and travels; versioned by the registry. JSON Schema from `json_schema()`."""

    features: list[Feature] = Field(
        default_factory=list, max_length=500, description="derived values; each may use those before it"
    )
    slots: list[Slot] = Field(min_length=1, max_length=500)
    dense: list[DenseInput] = Field(default_factory=list, max_length=500)
    tasks: list[Task] = Field(default_factory=_one_task, min_length=1, max_length=8)
    score: Score = Field(default_factory=FirstTask, description="what items are ranked by")
    architecture: Architecture
    sparse_optimizer: SparseOptimizer = Field(default_factory=SparseAdagrad)
    dense_optimizer: DenseOptimizer = Field(default_factory=DenseAdam)
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
            if slot.learning_rate_scale != 1.0:
                raise ValueError(
                    f"slot {slot.name} shares {owner.name}, whose rows learn at its learning rate; scale that"
                )
            if slot.learning_rate_scale != 1.0:
                raise ValueError(
                    f"slot {slot.name} shares {owner.name}, whose rows learn at its learning rate; scale that"
                )
        self._check_features()
        if len({task.name for task in self.tasks}) != len(self.tasks):
            raise ValueError("task names must differ from each other")
        self.score.check(self.tasks)
        if is_retrieval(self.architecture):
            self._refuse_pairs()
        self._check_watched()
        self.architecture.check(self)
        return self

    @property
    def scores_are_probabilities(self) -> bool:
        """Whether the first task's scores say how likely it is: not cosines, nor what was trained for nothing but order."""
        task = self.tasks[0]
        return isinstance(task, BinaryTask) and task.loss is BinaryLoss.BCE and not is_retrieval(self.architecture)

    def watched(self, metric: WatchedMetric, task: str | None = None) -> str:
        """The name, among a run's values, of a metric of a task, by default the first. Raises ValueError where it has none such."""
        names = [each.name for each in self.tasks]
        if task is not None and task not in names:
            raise ValueError(f"there is no task {task}")
        place = 0 if task is None else names.index(task)
        chosen = self.tasks[place]
        if is_retrieval(self.architecture):
            if place or metric.is_of_numbers or metric.needs_probabilities:
                raise ValueError(f"there is no {metric} where scores only order, and those of the first task alone")
            return metric.value
        if metric.is_of_numbers == isinstance(chosen, BinaryTask):
            predicts = "what happens" if metric.is_of_numbers else "a number"
            raise ValueError(f"there is no {metric} where a task predicts {predicts}")
        if metric.needs_probabilities and isinstance(chosen, BinaryTask) and chosen.loss is not BinaryLoss.BCE:
            raise ValueError(f"there is no {metric} where scores only order")
        return metric.value if place == 0 else f"tasks.{chosen.name}.{metric.value}"

    def _check_watched(self) -> None:
        stopping = self.training.early_stopping
        if stopping is not None:
            try:
                self.watched(stopping.metric, stopping.task)
            except ValueError as error:
                raise ValueError(f"early_stopping needs another metric: {error}") from None

    def _check_features(self) -> None:
        known: set[str] = set()
        for feature in self.features:
            for source in feature.inputs:
                if source.startswith("feature.") and source not in known:
                    raise ValueError(f"feature {feature.name} uses {source}, which is not a feature declared before it")
            name = f"feature.{feature.name}"
            if name in known:
                raise ValueError(f"two features have the name {feature.name}")
            known.add(name)
        for name, source in self._sources():
            if source.startswith("feature.") and source not in known:
                raise ValueError(f"{name} has the source {source}, which is not a declared feature")

    def _refuse_pairs(self) -> None:
        """A retrieval model's vectors are of a user alone and of an item alone."""
        for name, source in self._sources():
            if self.reads_counter(source):
                raise ValueError(
                    f"{name} reads a counter for each candidate, which a {self.architecture.kind} cannot: its items' vectors are kept in "
                    "an index, where a counter would stay as it was when they were computed. What counts by nothing of the item can be "
                    "read of the user, as user_counter.<counter>_<window>"
                )
            if self.side_of(source) is Side.PAIR:
                raise ValueError(
                    f"{name} depends on user and item together, which a {self.architecture.kind} cannot "
                    "use: its users and items meet only in a dot product"
                )

    def reads_counter(self, source: str) -> bool:
        """Whether it is a counter of the pair, or made of one."""
        if source.startswith("feature."):
            return any(self.reads_counter(each) for each in self.feature(source).inputs)
        return source.startswith("counter.")

    def side_of(self, source: str) -> Side:
        """The side of a source; of a derived one, the join of its inputs': `PAIR` when they differ."""
        if not source.startswith("feature."):
            return side_of(source)
        sides = {self.side_of(each) for each in self.feature(source).inputs}
        return sides.pop() if len(sides) == 1 else Side.PAIR

    def feature(self, source: str) -> Feature:
        """The feature that `feature.<name>` names. Raises KeyError when none does."""
        name = source.removeprefix("feature.")
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(source)

    def slots_of(self, side: Side) -> list[Slot]:
        """The slots of one side, in the definition's order."""
        return [slot for slot in self.slots if self.side_of(slot.source) is side]

    def dense_of(self, side: Side) -> list[DenseInput]:
        """The dense inputs of one side, in the definition's order."""
        return [dense for dense in self.dense if self.side_of(dense.source) is side]

    def num_dense(self, side: Side | None = None) -> int:
        """How many columns the dense inputs of one side, or all, have together."""
        return sum(dense.dim for dense in (self.dense if side is None else self.dense_of(side)))

    @property
    def has_pairs(self) -> bool:
        """Whether any input depends on user and item together."""
        return any(self.side_of(source) is Side.PAIR for _, source in self._sources())

    def _sources(self) -> list[tuple[str, str]]:
        """Every input's name and source."""
        return [(slot.name, slot.source) for slot in self.slots] + [(dense.name, dense.source) for dense in self.dense]

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
        problems = check_sources(schema, self.features, self.slots, self.dense)
        problems += check_slices(schema, self.training.slices)
        for index, task in enumerate(self.tasks):
            if task.event_type not in schema.events:
                problems.append(
                    Problem(f"tasks.{index}.event_type", "is not declared in the schema", repr(task.event_type))
                )
            elif task.kind == "regression":
                target = schema.events[task.event_type].properties.get(task.property)
                if target is None or target.type not in (PropertyType.INTEGER, PropertyType.FLOAT):
                    rule = f"must be an integer or float property of {task.event_type}"
                    problems.append(Problem(f"tasks.{index}.regression.property", rule, repr(task.property)))
        if problems:
            raise InvalidDocument("model definition", problems)
