"""What an architecture costs for each example: counted on its graph, not measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import tensorflow as tf

from engine.models.architecture import Inputs, RankingArchitecture, RetrievalArchitecture, Sequence
from engine.models.registry import build_architecture
from engine.spec.definition import ModelDefinition, Side
from engine.spec.slot import Pooling

_PRODUCTS: Final = ("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one example's forward pass, a user beside an item, after lookup and pooling; backward takes about twice as much.

    `num_flops`: floating-point operations of matrix products, a multiply-add being two; element-wise work is not among them.
    `num_weights`: floats of the dense weights. `num_embedding_floats`: floats of the pooled embeddings and sequences that go in.
    """

    num_flops: int
    num_weights: int
    num_embedding_floats: int


def cost_of(definition: ModelDefinition) -> Cost:
    architecture = build_architecture(definition)
    floats = sum(slot.dim * (slot.max_values if slot.pooling is Pooling.SEQUENCE else 1) for slot in definition.slots)
    weights = sum(int(np.prod(variable.shape)) for variable in architecture.variables.values())
    return Cost(_num_flops(definition, architecture), weights, floats)


def _num_flops(definition: ModelDefinition, architecture: RankingArchitecture | RetrievalArchitecture) -> int:
    if isinstance(architecture, RankingArchitecture):
        return _products_of(architecture.logits, _one_row(definition, None))
    sides = ((architecture.user_vectors, Side.USER), (architecture.item_vectors, Side.ITEM))
    product = 2 * architecture.output_dim
    return product + sum(_products_of(tower, _one_row(definition, side)) for tower, side in sides)


def _products_of(function: Callable[[Inputs], Any], inputs: Inputs) -> int:
    graph = tf.function(lambda: function(inputs), autograph=False).get_concrete_function().graph
    return sum(_flops(operation) for operation in graph.get_operations() if operation.type in _PRODUCTS)


def _flops(product: Any) -> int:
    """2 · size of the output · the length that is summed over."""
    left, output = product.inputs[0].shape, product.outputs[0].shape
    is_transposed = product.get_attr("transpose_a" if product.type == "MatMul" else "adj_x")
    return 2 * int(np.prod(output)) * int(left[-2 if is_transposed else -1])


def _one_row(definition: ModelDefinition, side: Side | None) -> Inputs:
    slots = definition.slots if side is None else definition.slots_of(side)
    sequences = {
        slot.name: Sequence(tf.zeros((1, slot.max_values, slot.dim)), tf.ones((1, slot.max_values), tf.bool))
        for slot in slots
        if slot.pooling is Pooling.SEQUENCE
    }
    return Inputs(
        {slot.name: tf.zeros((1, slot.dim)) for slot in slots}, tf.zeros((1, definition.num_dense(side))), sequences
    )
