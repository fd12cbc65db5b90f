"""Embeddings as fields, gates over them, hidden layers: `engine.models.gated` and `engine.models.network` as steps of a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.features.encoded import FloatArray
from engine.models.dense_pass.columns import Part, Value
from engine.models.dense_pass.layers import Layers, whole
from engine.spec.ranking import GatedRanking


@dataclass(frozen=True, slots=True)
class Fields:
    """`flat`: (e_1 … e_S, x) as inputs of a kernel; `embeddings`: each slot's; `dense`: x alone; `gates`: what LHUC gates are made of."""

    flat: list[Part]
    embeddings: list[Value]
    dense: list[Part]
    gates: list[Part] = field(default_factory=list)


def plain_fields(layers: Layers, slots: Sequence[str]) -> Fields:
    """The slots as they come."""
    columns = layers.columns
    return Fields(
        columns.parts(slots, with_dense=True),
        [columns.of_slot(name) for name in slots],
        columns.parts([], with_dense=True),
    )


def fields_of(layers: Layers, settings: GatedRanking, slots: Sequence[str]) -> Fields:
    """With what the settings ask for: weighed by a SENet, and inputs for gates."""
    plain = plain_fields(layers, slots)
    gates = layers.columns.parts(settings.lhuc_slots, with_dense=False) if settings.lhuc_slots else []
    if not settings.senet_reduction:
        return Fields(plain.flat, plain.embeddings, plain.dense, gates)
    dims = [layers.columns.slots[name].dim for name in slots]
    squeezed = layers.linear(
        layers.columns.parts(slots, with_dense=False),
        _means(dims) @ layers.weights["senet_squeezed/kernel"],
        layers.weights["senet_squeezed/bias"],
        rectifies=True,
    )
    weights = layers.activate("gate", layers.dense("senet_weights", whole(squeezed)))
    weighed = layers.gathered(slots)
    layers.program.scale(weights.place, dims, weighed.place)
    starts = np.cumsum([0, *dims]).tolist()
    register = weighed.place[0]
    embeddings = [Value((register, start), dim, is_of_asker=False) for start, dim in zip(starts, dims, strict=False)]
    return Fields(whole(weighed), embeddings, plain.dense, gates)


def _means(dims: Sequence[int]) -> FloatArray:
    """float32[Σ dim, num_slots]: times embeddings side by side, the mean of each."""
    means = np.zeros((sum(dims), len(dims)), np.float32)
    means[np.arange(sum(dims)), np.repeat(np.arange(len(dims)), dims)] = np.repeat(1.0 / np.array(dims), dims)
    return means


def network(layers: Layers, name: str, inputs: list[Part], hidden: Sequence[int], gates: list[Part]) -> list[Part]:
    """Hidden layers of ReLU `<name>_0`, `<name>_1`, …, with LHUC gates where there is something that they are made of."""
    for index in range(len(hidden)):
        value = layers.dense(f"{name}_{index}", inputs, rectifies=True)
        if gates:
            factors = layers.activate("gate", layers.dense(f"{name}_{index}_gate", gates))
            value = layers.multiply(value, factors)
        inputs = whole(value)
    return inputs
