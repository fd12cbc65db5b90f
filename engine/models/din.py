"""DIN: the history weighed by what each past item says of the item in question (Zhou et al., Deep Interest Network, KDD 2018)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import tensorflow as tf

from engine.models.architecture import Architecture, Inputs
from engine.models.gated import GatedArchitecture
from engine.models.network import Network
from engine.spec.definition import ModelDefinition
from engine.spec.layer_settings import Activation
from engine.spec.ranking import DIN


class DINModel(GatedArchitecture):
    """logit = network(e_1 … e_S, x), in which each sequence slot's embedding is v = Σ_j a(h_j, t)·h_j instead of a mean.

    h_j are the embeddings of the history, the newest last, t that of the item in question, a the `ActivationUnit`. Sequences that run
    parallel to the history (types of events, ages) are weighed by the same a, and it looks at them too. Places without an item weigh
    nothing. Hidden layers, those of a too, have the definition's `activation`: ReLU, PReLU or the paper's Dice
    (`engine.models.activations`, which says where it differs from the paper's).
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        settings = definition.architecture
        assert isinstance(settings, DIN)
        dims = {slot.name: slot.dim for slot in definition.slots}
        self._target = settings.target_slot
        self._sequences = [settings.sequence_slot, *settings.context_slots]
        context_width = sum(dims[name] for name in settings.context_slots)
        self._attention = ActivationUnit(
            self, dims[self._target], context_width, settings.attention_hidden, settings.activation
        )
        self._network = self.add_gated_network("hidden", self.width, settings.hidden, settings.activation)
        self._output = self.add_output("output", self._network.width)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        sequences = [inputs.sequences[name] for name in self._sequences]
        history, *context = (sequence.values for sequence in sequences)
        weights = self._attention(inputs.slots[self._target], history, sequences[0].mask, context)
        attended = {
            name: tf.squeeze(tf.matmul(weights[:, tf.newaxis, :], sequence.values), axis=1)
            for name, sequence in zip(self._sequences, sequences, strict=True)
        }
        fields = self.fields(replace(inputs, slots=inputs.slots | attended))
        return self._output(self._network(fields.flat, fields.gate_inputs))


class ActivationUnit:
    """a(h, t) = ⟨w, network(t, h, t - h, t ⊙ h, c)⟩ + b, c what runs parallel to h. Not normalised, so that interest keeps its strength."""

    def __init__(
        self, architecture: Architecture, dim: int, context_width: int, hidden: list[int], activation: Activation
    ) -> None:
        self._network = Network(architecture, "attention", 4 * dim + context_width, hidden, activation=activation)
        self._output = architecture.add_dense("attention_output", self._network.width, 1, full_precision=True)

    def __call__(self, target: Any, history: Any, mask: Any, context: list[Any]) -> Any:
        """float32[n, length]: zero where `mask` bool[n, length] is false.

        target float32[n, dim], history float32[n, length, dim], each of `context` float32[n, length, its dim].
        """
        wanted = tf.broadcast_to(target[:, tf.newaxis, :], tf.shape(history))
        seen = tf.concat([wanted, history, wanted - history, wanted * history, *context], axis=2)
        weights = tf.squeeze(self._output(self._network(seen, mask=mask)), axis=2)
        return tf.where(mask, weights, tf.zeros_like(weights))
