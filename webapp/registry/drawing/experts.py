"""Pictures of the architectures that weigh a history by the item in question, or mix experts for each task."""

from __future__ import annotations

from engine.spec.definition import ModelDefinition
from engine.spec.ranking import DIN, PLE, MMoE
from webapp.registry.drawing.diagram import Diagram, Line
from webapp.registry.drawing.inputs import Inputs
from webapp.registry.drawing.parts import Parts


def din(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, DIN)
    parts = Parts(diagram, definition)
    slots = {slot.name: slot for slot in definition.slots}
    names = [settings.sequence_slot, *settings.context_slots]
    dim, length = slots[settings.target_slot].dim, slots[settings.sequence_slot].max_values
    history = inputs.slots("sequence", "History", [slots[name] for name in names])
    target = inputs.slots("target", "Item in question", [slots[settings.target_slot]])
    seen = 4 * dim + sum(slots[name].dim for name in settings.context_slots)
    lines = [Line("h, t, t − h, t ⊙ h", f"{seen}"), *parts.layers(seen, settings.attention_hidden, settings.activation)]
    last = settings.attention_hidden[-1] if settings.attention_hidden else seen
    lines += [Line(f"{last} → 1", f"{length} weights a row"), parts.weights("attention")]
    attention = diagram.add("attention", "Attention", "interaction", lines, [*history, *target])
    floats = sum(slots[name].dim for name in names)
    weighed = [Line("Σ weight · h", f"{floats}")]
    interest = diagram.add("interest", "Weighed history", "join", weighed, [*history, attention])
    others = inputs.all_slots(without=[*names, settings.target_slot])
    read = parts.senet(definition.slots, [interest, *target, *others])
    joined, width = parts.side_by_side(definition.slots, definition.num_dense(), [*read, *inputs.all_numbers()])
    deep, last = parts.network(
        "hidden", "Deep network", width, settings.hidden, [joined], prefix="hidden", activation=settings.activation
    )
    parts.tasks([parts.logits([deep], parts.linear(last))])


def mmoe(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, MMoE)
    parts = Parts(diagram, definition)
    joined, width = _joined(definition, inputs, parts)
    lines = [
        Line("experts", f"{settings.num_experts}"),
        *parts.layers(width, settings.hidden),
        parts.weights("expert_"),
    ]
    experts = diagram.add("experts", "Shared experts", "interaction", lines, [joined])
    mixed = []
    for place, task in enumerate(definition.tasks):
        gate = [Line(f"{width:,} → {settings.num_experts}", "softmax"), parts.weights(f"gate_{place}/")]
        mixed.append(diagram.add(f"gate_{place}", f"Gate of {task.name}", "interaction", gate, [joined, experts]))
    _towers(parts, diagram, definition, settings.hidden[-1], settings.tower_hidden, mixed)


def ple(diagram: Diagram, definition: ModelDefinition, inputs: Inputs) -> None:
    settings = definition.architecture
    assert isinstance(settings, PLE)
    parts = Parts(diagram, definition)
    joined, width = _joined(definition, inputs, parts)
    shared, own = settings.num_shared_experts, settings.num_task_experts
    below = {"shared": joined} | {task.name: joined for task in definition.tasks}
    for level in range(settings.num_levels):
        made: dict[str, str] = {}
        is_last = level == settings.num_levels - 1
        layers = parts.layers(width, settings.hidden)
        of_shared = [Line("experts", f"{shared}"), *layers, parts.weights(f"level_{level}_shared_")]
        common = diagram.add(
            f"shared_{level}", f"Level {level + 1}, shared", "interaction", of_shared, [below["shared"]]
        )
        own_keys = []
        for place, task in enumerate(definition.tasks):
            lines = [Line("experts", f"{own}"), *layers, parts.weights(f"level_{level}_task_{place}_")]
            title = f"Level {level + 1}, {task.name}"
            own_keys.append(diagram.add(f"own_{level}_{place}", title, "interaction", lines, [below[task.name]]))
        for place, task in enumerate(definition.tasks):
            gate = [Line(f"{width:,} → {own + shared}", "softmax"), parts.weights(f"level_{level}_gate_task_{place}/")]
            key = f"gate_{level}_{place}"
            made[task.name] = diagram.add(key, f"Gate of {task.name}", "join", gate, [own_keys[place], common])
        if not is_last:
            everything = len(definition.tasks) * own + shared
            gate = [Line(f"{width:,} → {everything}", "softmax"), parts.weights(f"level_{level}_gate_shared/")]
            made["shared"] = diagram.add(f"gate_{level}_shared", "Gate of shared", "join", gate, [*own_keys, common])
        below, width = made, settings.hidden[-1]
    _towers(parts, diagram, definition, width, settings.tower_hidden, [below[task.name] for task in definition.tasks])


def _towers(  # noqa: PLR0917 - all that towers are
    parts: Parts, diagram: Diagram, definition: ModelDefinition, width: int, hidden: list[int], after: list[str]
) -> None:
    towers = []
    for place, (task, source) in enumerate(zip(definition.tasks, after, strict=True)):
        last = hidden[-1] if hidden else width
        lines = [*parts.layers(width, hidden), Line(f"{last} → 1", "linear")]
        lines.append(parts.weights(f"tower_{place}_", f"output_{place}/"))
        towers.append(diagram.add(f"tower_{place}", f"Tower of {task.name}", "network", lines, [source]))
    parts.tasks(towers)


def _joined(definition: ModelDefinition, inputs: Inputs, parts: Parts) -> tuple[str, int]:
    read = parts.senet(definition.slots, inputs.all_slots())
    return parts.side_by_side(definition.slots, definition.num_dense(), [*read, *inputs.all_numbers()])
