"""Linear models and factorization machines as steps of a program."""

from __future__ import annotations

import numpy as np

from engine.embedding.dense_program import Place
from engine.features.encoded import FloatArray
from engine.models.dense_pass.columns import Value
from engine.models.dense_pass.fields import Fields, fields_of, network, plain_fields
from engine.models.dense_pass.layers import Layers, whole
from engine.spec.definition import ModelDefinition
from engine.spec.ranking import DeepFM, WideDeep


def fm(layers: Layers, definition: ModelDefinition) -> Value:
    """`engine.models.fm`."""
    return factorization_terms(layers, definition, plain_fields(layers, [slot.name for slot in definition.slots]))


def deepfm(layers: Layers, definition: ModelDefinition) -> Value:
    """`engine.models.deepfm`."""
    settings = definition.architecture
    assert isinstance(settings, DeepFM)
    fields = fields_of(layers, settings, [slot.name for slot in definition.slots])
    terms = factorization_terms(layers, definition, fields)
    deep = layers.dense("output", network(layers, "hidden", fields.flat, settings.hidden, fields.gates))
    return layers.add(deep, terms)


def factorization_terms(layers: Layers, definition: ModelDefinition, fields: Fields) -> Value:
    """⟨w, (e_1 … e_S, x)⟩ + b + ½ Σ_d [(Σ_s e_s)² - Σ_s e_s²]_d, weighed for each task where there are several."""
    dim, num_tasks = definition.slots[0].dim, len(definition.tasks)
    sums: list[Place] = []
    for is_of_asker in (True, False):
        mine = [each.place for each in fields.embeddings if each.is_of_asker is is_of_asker]
        if mine:
            sums.append(layers.register(2 * dim, is_of_asker=is_of_asker).place)
            layers.program.sums(mine, dim, sums[-1])
    is_of_asker = all(each.is_of_asker for each in fields.embeddings)
    pairs = layers.register(1 if num_tasks == 1 else dim, is_of_asker=is_of_asker)
    layers.program.pairs(sums, dim, pairs.place, is_summed=num_tasks == 1)
    second = pairs if num_tasks == 1 else layers.dense("second_order", whole(pairs))
    return layers.add(layers.dense("first_order", fields.flat), second)


def logistic_regression(layers: Layers, definition: ModelDefinition) -> Value:
    """`engine.models.logistic_regression`."""
    return _weights_of_ids(layers, "first_order", [slot.name for slot in definition.slots], len(definition.tasks))


def wide_deep(layers: Layers, definition: ModelDefinition) -> Value:
    """`engine.models.wide_deep`."""
    settings = definition.architecture
    assert isinstance(settings, WideDeep)
    wide_slots = [slot.name for slot in definition.slots if slot.name in settings.wide_slots]
    deep_slots = [slot.name for slot in definition.slots if slot.name not in settings.wide_slots]
    wide = _weights_of_ids(layers, "wide", wide_slots, len(definition.tasks))
    fields = fields_of(layers, settings, deep_slots)
    deep = layers.dense("output", network(layers, "hidden", fields.flat, settings.hidden, fields.gates))
    return layers.add(deep, wide)


def _weights_of_ids(layers: Layers, name: str, slots: list[str], num_tasks: int) -> Value:
    """Σ_s e_s[t], a row being an id's weight for each task, plus the layer of the dense inputs."""
    rows: FloatArray = np.tile(np.eye(num_tasks, dtype=np.float32), (len(slots), 1))
    kernel = np.concatenate([rows, layers.weights[f"{name}/kernel"]])
    return layers.linear(layers.columns.parts(slots, with_dense=True), kernel, layers.weights[f"{name}/bias"])
