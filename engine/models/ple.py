"""PLE: experts of each task beside shared ones, level upon level (Tang et al., Progressive Layered Extraction, RecSys 2020)."""

from __future__ import annotations

from typing import Any

from engine.models.architecture import Inputs
from engine.models.gated import GatedArchitecture
from engine.models.mmoe import Towers, mixed
from engine.models.network import Network
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import PLE


class PLEModel(GatedArchitecture):
    """g_t = g_shared = (e_1 … e_S, x); at each level, with the level's own experts and gates G,

    - g_t <- Σ softmax(G_t g_t) over the experts of task t (of g_t) and the shared ones (of g_shared)
    - g_shared <- Σ softmax(G_shared g_shared) over the experts of every task and the shared ones, but at the last level

    logit_t = ⟨w_t, tower_t(g_t)⟩ + b_t. Equations 5 to 8; one level is the paper's CGC.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        settings = definition.architecture
        assert isinstance(settings, PLE)
        widths = [self.width] + [settings.hidden[-1]] * (settings.num_levels - 1)
        self._levels = [
            ExtractionNetwork(self, f"level_{index}", width, settings, is_last=index == settings.num_levels - 1)
            for index, width in enumerate(widths)
        ]
        self._towers = Towers(self, settings.hidden[-1], settings.tower_hidden)

    def logits(self, inputs: Inputs) -> Any:
        """float32[n, num_tasks]."""
        fields = self.fields(inputs)
        tasks, shared = [fields.flat] * self.num_tasks, fields.flat
        for level in self._levels:
            tasks, shared = level(tasks, shared, fields.gate_inputs)
        return self._towers(tasks, fields)


class ExtractionNetwork:
    """One level: its experts and its gates. The last has no gate for what is shared."""

    def __init__(self, architecture: GatedArchitecture, name: str, width: int, settings: PLE, *, is_last: bool) -> None:
        def experts(owner: str, count: int) -> list[Network]:
            names = [f"{name}_{owner}_{index}" for index in range(count)]
            return [architecture.add_gated_network(each, width, settings.hidden) for each in names]

        def gate(owner: str, count: int) -> Any:
            return architecture.add_gate(f"{name}_gate_{owner}", width, count)

        num_tasks, num_shared, num_own = (
            architecture.num_tasks,
            settings.num_shared_experts,
            settings.num_task_experts,
        )
        self._shared = experts("shared", num_shared)
        self._own = [experts(f"task_{task}", num_own) for task in range(num_tasks)]
        self._gates = [gate(f"task_{task}", num_own + num_shared) for task in range(num_tasks)]
        self._shared_gate = None if is_last else gate("shared", num_tasks * num_own + num_shared)

    def __call__(self, tasks: list[Any], shared: Any, gate_inputs: Any | None) -> tuple[list[Any], Any]:
        """float32[n, width] for each task and for what is shared, of the same one level below."""
        of_all = [expert(shared, gate_inputs) for expert in self._shared]
        of_tasks = [
            [expert(task, gate_inputs) for expert in experts] for experts, task in zip(self._own, tasks, strict=True)
        ]
        mixtures = [
            mixed(gate(task), own + of_all) for gate, task, own in zip(self._gates, tasks, of_tasks, strict=True)
        ]
        if self._shared_gate is None:
            return mixtures, shared
        everything = [expert for own in of_tasks for expert in own] + of_all
        return mixtures, mixed(self._shared_gate(shared), everything)
