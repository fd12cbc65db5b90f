"""MMoE and PLE as steps of a program."""

from __future__ import annotations

from collections.abc import Sequence

from engine.models.dense_pass.columns import Part, Value
from engine.models.dense_pass.fields import Fields, fields_of, network
from engine.models.dense_pass.layers import Layers, whole
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import PLE, MMoE


def mmoe(layers: Layers, definition: ModelDefinition) -> Value:
    """`engine.models.mmoe`."""
    settings = definition.architecture
    assert isinstance(settings, MMoE)
    fields = fields_of(layers, settings, [slot.name for slot in definition.slots])
    names = [f"expert_{index}" for index in range(settings.num_experts)]
    experts = _experts(layers, names, fields.flat, settings.hidden, fields)
    mixtures = [_mixed(layers, f"gate_{task}", fields.flat, experts) for task in range(len(definition.tasks))]
    return _towers(layers, mixtures, settings.tower_hidden, fields)


def ple(layers: Layers, definition: ModelDefinition) -> Value:
    """`engine.models.ple`."""
    settings = definition.architecture
    assert isinstance(settings, PLE)
    fields = fields_of(layers, settings, [slot.name for slot in definition.slots])
    tasks, shared = [fields.flat] * len(definition.tasks), fields.flat
    for index in range(settings.num_levels):
        is_last = index == settings.num_levels - 1
        tasks, shared = _level(layers, f"level_{index}", tasks, shared, settings, fields, is_last=is_last)
    return _towers(layers, tasks, settings.tower_hidden, fields)


def _level(  # noqa: PLR0917 - what a level is made of
    layers: Layers,
    name: str,
    tasks: list[list[Part]],
    shared: list[Part],
    settings: PLE,
    fields: Fields,
    *,
    is_last: bool,
) -> tuple[list[list[Part]], list[Part]]:
    def experts(owner: str, count: int, inputs: list[Part]) -> list[Value]:
        names = [f"{name}_{owner}_{index}" for index in range(count)]
        return _experts(layers, names, inputs, settings.hidden, fields)

    of_all = experts("shared", settings.num_shared_experts, shared)
    of_tasks = [experts(f"task_{task}", settings.num_task_experts, inputs) for task, inputs in enumerate(tasks)]
    mixtures = [
        _mixed(layers, f"{name}_gate_task_{task}", tasks[task], own + of_all) for task, own in enumerate(of_tasks)
    ]
    if is_last:
        return mixtures, shared
    everything = [expert for own in of_tasks for expert in own] + of_all
    return mixtures, _mixed(layers, f"{name}_gate_shared", shared, everything)


def _experts(
    layers: Layers, names: Sequence[str], inputs: list[Part], hidden: Sequence[int], fields: Fields
) -> list[Value]:
    return [network(layers, name, inputs, hidden, fields.gates)[0].value for name in names]


def _mixed(layers: Layers, gate: str, inputs: list[Part], experts: list[Value]) -> list[Part]:
    """Σ_i softmax(gate)_i · experts[i]."""
    weights = layers.activate("softmax", layers.dense(gate, inputs))
    is_of_asker = weights.is_of_asker and all(expert.is_of_asker for expert in experts)
    mixture = layers.register(experts[0].width, is_of_asker=is_of_asker)
    layers.program.mix(weights.place, [expert.place for expert in experts], mixture.width, mixture.place)
    return whole(mixture)


def _towers(layers: Layers, inputs: list[list[Part]], hidden: Sequence[int], fields: Fields) -> Value:
    """A network and a logit for each task, side by side."""
    towers = [network(layers, f"tower_{task}", each, hidden, fields.gates) for task, each in enumerate(inputs)]
    logits = layers.register(len(towers), is_of_asker=False)
    for task, tower in enumerate(towers):
        of_task = layers.dense(f"output_{task}", tower)
        layers.program.combine("copy", of_task.place, 1, (logits.place[0], task))
    return logits
