"""Wide & Deep: a linear model that remembers beside a network that generalises (Cheng et al., DLRS 2016)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engine.models.architecture import Inputs
from engine.models.gated import GatedArchitecture
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import WideDeep


class WideDeepModel(GatedArchitecture):
    """logit_t = Σ_{s wide} e_s[t] + ⟨w_t, x⟩ + b_t + network_t(e_s deep …, x).

    A wide slot, most usefully a cross of two sources, has one weight for each id and task: its dim is the number of tasks. The other
    slots are the deep part. Both learn together, each id's weight by the slots' optimizer.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        settings = definition.architecture
        assert isinstance(settings, WideDeep)
        super().__init__(definition, [slot for slot in definition.slots if slot.name not in settings.wide_slots])
        self._wide_slots = [slot.name for slot in definition.slots if slot.name in settings.wide_slots]
        self._numbers = self.add_dense("wide", definition.num_dense(), self.num_tasks, full_precision=True)
        self._network = self.add_gated_network("hidden", self.width, settings.hidden)
        self._output = self.add_output("output", self._network.width)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        fields = self.fields(inputs)
        wide = tf.add_n([inputs.slots[name] for name in self._wide_slots]) + self._numbers(inputs.dense)
        return wide + self._output(self._network(fields.flat, fields.gate_inputs))
