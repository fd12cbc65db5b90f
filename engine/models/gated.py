"""What ranking architectures with hidden layers have in common: embeddings as fields, a SENet gate over them, LHUC gates in the layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from engine.models.architecture import Inputs, RankingArchitecture
from engine.models.network import Network
from engine.spec.definition import ModelDefinition, Slot
from engine.spec.layer_settings import Activation
from engine.spec.ranking import GatedRanking


@dataclass(frozen=True, slots=True)
class Fields:
    """What a network computes with: embeddings float32[n, dim] in the definition's order, dense float32[n, num_dense].

    `gate_inputs` float32[n, width of the LHUC slots], None without such gates. `together`: the embeddings as one tensor, `beside`: all of
    `flat`, where they came so, which saves taking them apart and putting them together again.
    """

    embeddings: list[Any]
    dense: Any
    gate_inputs: Any | None
    together: Any | None = None
    beside: Any | None = None

    @property
    def flat(self) -> Any:
        """float32[n, width]: the embeddings side by side, then the dense inputs."""
        if self.beside is not None:
            return self.beside
        if self.together is None:
            return tf.concat([*self.embeddings, self.dense], axis=1)
        width = self.together.shape[1] * self.together.shape[2]
        return tf.concat([tf.reshape(self.together, (-1, width)), self.dense], axis=1)

    @property
    def stacked(self) -> Any:
        """float32[n, num_slots, dim], of slots of one dim."""
        return tf.stack(self.embeddings, axis=1) if self.together is None else self.together


class SENet:
    """Each slot's embedding times a weight: z_s = mean(e_s); a = 2σ(W_2 relu(W_1 z + b_1) + b_2); e_s <- a_s·e_s.

    Squeeze and excitation over fields, Huang et al., FiBiNET, RecSys 2019, equations 3 to 5. The paper leaves the second activation
    open; 2σ starts every weight near 1 and lets none die. Units of the first layer: num_slots / reduction, at least one.
    """

    def __init__(self, architecture: RankingArchitecture, num_slots: int, reduction: int) -> None:
        units = max(1, num_slots // reduction)
        self._squeezed = architecture.add_dense("senet_squeezed", num_slots, units, "relu", full_precision=True)
        self._weights = architecture.add_dense("senet_weights", units, num_slots, "sigmoid", full_precision=True)

    def __call__(self, embeddings: list[Any]) -> list[Any]:
        """The embeddings float32[n, dim], weighed; dims may differ."""
        means = tf.stack([tf.reduce_mean(embedding, axis=1) for embedding in embeddings], axis=1)
        weights = 2.0 * self._weights(self._squeezed(means))
        return [embedding * weights[:, place, tf.newaxis] for place, embedding in enumerate(embeddings)]


class GatedArchitecture(RankingArchitecture):
    """A ranking architecture whose settings are a `GatedRanking`."""

    def __init__(self, definition: ModelDefinition, slots: list[Slot] | None = None) -> None:
        """`slots` are those of the fields, by default all."""
        super().__init__(definition)
        settings = definition.architecture
        if not isinstance(settings, GatedRanking):
            raise ValueError(f"architecture.kind: must be one with hidden layers, received {settings.kind}")
        self._slots = definition.slots if slots is None else slots
        self._gate_slots = list(settings.lhuc_slots)
        dims = {slot.name: slot.dim for slot in definition.slots}
        self._num_gate_inputs = sum(dims[name] for name in self._gate_slots)
        self._senet = SENet(self, len(self._slots), settings.senet_reduction) if settings.senet_reduction else None

    @property
    def width(self) -> int:
        """Columns of `Fields.flat`."""
        return sum(slot.dim for slot in self._slots) + self.definition.num_dense()

    def fields(self, inputs: Inputs) -> Fields:
        embeddings = [inputs.slots[slot.name] for slot in self._slots]
        gates = [inputs.slots[name] for name in self._gate_slots]
        as_they_came = self._senet is None and self._slots == self.definition.slots
        return Fields(
            embeddings if self._senet is None else self._senet(embeddings),
            inputs.dense,
            tf.concat(gates, axis=1) if gates else None,
            inputs.stacked if as_they_came else None,
            inputs.flat if as_they_came else None,
        )

    def add_gated_network(
        self, name: str, num_inputs: int, hidden: list[int], activation: Activation = Activation.RELU
    ) -> Network:
        return Network(self, name, num_inputs, hidden, self._num_gate_inputs, activation)

    def add_gate(self, name: str, num_inputs: int, units: int) -> Any:
        """Weights of a mixture, in float32: a linear layer and softmax."""
        return self.add_dense(name, num_inputs, units, tf.nn.softmax, full_precision=True)

    def add_output(self, name: str, num_inputs: int, units: int | None = None) -> Any:
        """The linear layer of a logit for each task, in float32."""
        return self.add_dense(name, num_inputs, units or self.num_tasks, full_precision=True)
