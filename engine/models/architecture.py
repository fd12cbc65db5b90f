"""What every architecture is: named dense weights, seeded layers, and inputs of pooled embeddings."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt

from engine.errors import CorruptRecord
from engine.models.scaling import Scaling
from engine.spec.architecture import is_retrieval
from engine.spec.definition import ModelDefinition
from engine.spec.training_settings import Precision

Weights = dict[str, npt.NDArray[np.float32]]
"""Dense weights by stable name `<layer>/<weight>`."""

_POLICIES: Final = {Precision.FLOAT32: "float32", Precision.BFLOAT16_MIXED: "mixed_bfloat16"}


@dataclass(frozen=True, slots=True)
class Sequence:
    """A slot's rows in order, not pooled: values float32[n, max_values, dim], the newest last; mask bool[n, max_values] of what is."""

    values: Any
    mask: Any


@dataclass(frozen=True, slots=True)
class Inputs:
    """Tensors of n rows: `slots` by name, each float32[n, dim], pooled; `dense` float32[n, num_dense]; `sequences` by slot name.

    `stacked` is all of `slots` in their order, float32[n, num_slots, dim], and `flat` all of the definition's slots side by side in its
    order and then `dense`, float32[n, width], where they come so; None where they do not.
    """

    slots: dict[str, Any]
    dense: Any
    sequences: dict[str, Sequence] = field(default_factory=dict)
    stacked: Any | None = None
    flat: Any | None = None


class Architecture:
    """Layers under stable names. First weights are a function of the definition alone: a layer is seeded by the definition and its name."""

    def __init__(self, definition: ModelDefinition) -> None:
        self.definition = definition
        self._variables: dict[str, Any] = {}
        self.scaling = Scaling(definition)
        self._moments: dict[str, Any] = {}
        self._noted: list[tuple[Any, Any]] | None = None
        self._policy = _POLICIES[definition.training.precision]

    def add_dense(
        self,
        name: str,
        num_inputs: int,
        units: int,
        activation: str | Callable[[Any], Any] | None = None,
        *,
        use_bias: bool = True,
        full_precision: bool = False,
    ) -> Any:
        """A built `keras.layers.Dense` under the name: Glorot uniform kernel, zero bias, over the last axis of its input.

        It computes, and answers, in the definition's precision; with `full_precision` in float32, as what sums up to a logit must.
        """
        layer = keras.layers.Dense(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=self._initializer(name),
            dtype="float32" if full_precision else self._policy,
            name=name,
        )
        layer.build((None, num_inputs))
        self._variables |= {f"{name}/{weight.name}": weight for weight in layer.weights}
        return layer if num_inputs else BiasAlone(layer)

    def add_weight(self, name: str, shape: tuple[int, ...]) -> Any:
        """A float32 `keras.Variable` of its own, `<name>/kernel`, Glorot uniform."""
        variable = keras.Variable(self._initializer(name)(shape), dtype="float32", name="kernel")
        self._variables[f"{name}/kernel"] = variable
        return variable

    def add_filled(self, name: str, shape: tuple[int, ...], value: float) -> Any:
        """A float32 `keras.Variable` of its own, `<name>/kernel`, whose every entry begins with `value`."""
        variable = keras.Variable(np.full(shape, value, np.float32), dtype="float32", name="kernel")
        self._variables[f"{name}/kernel"] = variable
        return variable

    def add_moments(self, name: str, units: int) -> Any:
        """`<name>/moments` float32[3, units], which nobody trains and learning observes: rows, at first 0, mean 0 and variance 1."""
        first = np.stack([np.zeros(units), np.zeros(units), np.ones(units)])
        variable = keras.Variable(first, trainable=False, dtype="float32", name="moments")
        self._moments[f"{name}/moments"] = variable
        return variable

    @property
    def is_learning(self) -> bool:
        """Whether what is being computed is a step of learning, which observes moments."""
        return self._noted is not None

    def note_moments(self, variable: Any, moments: Any) -> None:
        """What `variable` is to hold after this step of learning."""
        assert self._noted is not None
        self._noted.append((variable, moments))

    @contextmanager
    def learning(self) -> Iterator[list[tuple[Any, Any]]]:
        """While a step is traced: answers the list that its new moments come into, each beside its variable."""
        self._noted = []
        try:
            yield self._noted
        finally:
            self._noted = None

    def _initializer(self, name: str) -> Any:
        seed = zlib.crc32(name.encode()) ^ (self.definition.training.seed & 0xFFFFFFFF)
        return keras.initializers.GlorotUniform(seed=seed)

    def add_network(
        self, name: str, num_inputs: int, hidden: list[int], activation: str | None = "relu"
    ) -> tuple[list[Any], int]:
        """Layers `<name>_0`, `<name>_1`, …, of ReLU unless told; answers them and the width of the last."""
        layers = []
        for index, units in enumerate(hidden):
            layers.append(self.add_dense(f"{name}_{index}", num_inputs, units, activation))
            num_inputs = units
        return layers, num_inputs

    @property
    def variables(self) -> dict[str, Any]:
        """Every trainable `keras.Variable` by stable name, in order of creation."""
        return dict(self._variables)

    @property
    def weights(self) -> dict[str, Any]:
        """Every `keras.Variable` that travels: the trainable ones, then moments, then the statistics that dense inputs are scaled by."""
        return self._variables | self._moments | self.scaling.variables

    def dense_weights(self) -> Weights:
        """A copy of every weight, the statistics among them."""
        return {name: np.array(variable.numpy(), np.float32) for name, variable in self.weights.items()}

    def load_dense_weights(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Replace every weight. Raises `CorruptRecord` when a name or shape is not this architecture's."""
        variables = self.weights
        check_weights(weights, {name: tuple(variable.shape) for name, variable in variables.items()})
        for name, variable in variables.items():
            variable.assign(weights[name])

    def load_statistics(self, weights: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Replace what dense inputs are scaled by (`engine.features.statistics.RunningStatistics.weights`)."""
        for name, value in weights.items():
            self.scaling.variables[name].assign(value)


class BiasAlone:
    """A dense layer without inputs: the activation of its bias. A product of matrices without columns makes oneDNN end the process."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer

    def __call__(self, values: Any) -> Any:
        """[…, units], of the layer's precision, from […, 0]."""
        sums = keras.ops.sum(values, axis=-1, keepdims=True)
        zeros = keras.ops.cast(keras.ops.repeat(sums, self._layer.units, axis=-1), self._layer.compute_dtype)
        if self._layer.use_bias:
            zeros += keras.ops.cast(self._layer.bias, self._layer.compute_dtype)
        return self._layer.activation(zeros)


class RankingArchitecture(Architecture, ABC):
    """Scores pairs of a user and an item: one logit for each task."""

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        self.num_tasks = len(definition.tasks)

    @abstractmethod
    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]: log-odds of a binary task's event; a regression's transformed value.

        `inputs.dense` has the user side's inputs first, then the item side's, then those of the pair.
        """


class RetrievalArchitecture(Architecture, ABC):
    """Vectors of users and of items; the greater their dot product, the better they fit."""

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        if not is_retrieval(definition.architecture):
            raise ValueError(f"architecture.kind: must be of retrieval, received {definition.architecture.kind}")
        self.output_dim = definition.architecture.output_dim
        self.temperature = definition.architecture.temperature

    @abstractmethod
    def user_vectors(self, inputs: Inputs) -> Any:
        """float32[n, output_dim], of at most unit length, from the user side's inputs."""

    @abstractmethod
    def item_vectors(self, inputs: Inputs) -> Any:
        """float32[n, output_dim], of at most unit length, from the item side's inputs."""


def check_weights(weights: Mapping[str, npt.NDArray[np.float32]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `CorruptRecord` unless `weights` has exactly the names and shapes given."""
    received = {name: tuple(value.shape) for name, value in weights.items()}
    if received != dict(shapes):
        raise CorruptRecord(f"dense weights: must be {dict(shapes)}, received {received}")
