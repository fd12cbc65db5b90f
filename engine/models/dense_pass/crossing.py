"""DCN-v2 and DLRM as steps of a program."""

from __future__ import annotations

import numpy as np

from engine.models.dense_pass.columns import Part, Value
from engine.models.dense_pass.fields import fields_of, network
from engine.models.dense_pass.layers import Layers, whole
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import DLRM, DCNv2


def dcn_v2(layers: Layers, definition: ModelDefinition) -> Value:
    """`engine.models.dcn_v2`."""
    settings = definition.architecture
    assert isinstance(settings, DCNv2)
    slots = [slot.name for slot in definition.slots]
    fields = fields_of(layers, settings, slots)
    first = fields.flat[0].value if settings.senet_reduction else layers.gathered(slots)
    crossed, inputs = first, fields.flat
    for index in range(settings.num_cross_layers):
        found = layers.multiply(_cross(layers, f"cross_{index}", inputs, settings), first)
        crossed = layers.add(found, crossed)
        inputs = whole(crossed)
    if settings.structure == "stacked":
        return layers.dense("output", network(layers, "hidden", inputs, settings.hidden, fields.gates))
    deep = network(layers, "hidden", fields.flat, settings.hidden, fields.gates)
    # Without hidden layers the network is its inputs, which need not be one value.
    behind = [Part(part.value, np.where(part.rows < 0, -1, part.rows + crossed.width)) for part in deep]
    return layers.dense("output", [*whole(crossed), *behind])


def _cross(layers: Layers, name: str, inputs: list[Part], settings: DCNv2) -> Value:
    if settings.rank is None:
        return layers.dense(name, inputs)
    if settings.num_experts == 1:
        return layers.dense(f"{name}_up", whole(layers.dense(f"{name}_down", inputs)))
    return _mixture(layers, name, inputs, settings.rank, settings.num_experts)


def _mixture(layers: Layers, name: str, inputs: list[Part], rank: int, num_experts: int) -> Value:
    gates = layers.activate("softmax", layers.dense(f"{name}_gate", inputs))
    down = layers.activate("tanh", layers.dense(f"{name}_down", inputs))
    cores = layers.register(num_experts * rank, is_of_asker=down.is_of_asker)
    for index in range(num_experts):
        part = Value((down.place[0], index * rank), rank, down.is_of_asker)
        to = Value((cores.place[0], index * rank), rank, cores.is_of_asker)
        layers.dense(f"{name}_core_{index}", whole(part), to=to)
    layers.activate("tanh", cores)
    layers.program.scale(gates.place, [rank] * num_experts, cores.place)
    return layers.dense(f"{name}_up", whole(cores))


def dlrm(layers: Layers, definition: ModelDefinition) -> Value:
    """`engine.models.dlrm`."""
    settings = definition.architecture
    assert isinstance(settings, DLRM)
    fields = fields_of(layers, settings, [slot.name for slot in definition.slots])
    vectors, numbers = fields.embeddings, None
    if definition.num_dense():
        bottom = network(layers, "bottom", fields.dense, settings.bottom_hidden, fields.gates)
        numbers = layers.dense("bottom_output", bottom, rectifies=True)
        vectors = [numbers, *vectors]
    products = layers.register(
        len(vectors) * (len(vectors) - 1) // 2, is_of_asker=all(each.is_of_asker for each in vectors)
    )
    layers.program.dots([each.place for each in vectors], definition.slots[0].dim, products.place)
    top = whole(products) if numbers is None else whole(numbers, products)
    return layers.dense("output", network(layers, "hidden", top, settings.hidden, fields.gates))
