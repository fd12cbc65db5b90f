"""Matrix factorisation with biases, over features too (Koren, Bell and Volinsky, IEEE Computer 2009; Kula, LightFM, CBRecSys 2015)."""

from __future__ import annotations

from typing import Any, Final

import tensorflow as tf

from engine.models.architecture import Inputs, RetrievalArchitecture
from engine.spec.definition import ModelDefinition, Side
from engine.spec.retrieval import MatrixFactorisation

_BIAS_WEIGHT: Final = 0.5


class MatrixFactorisationModel(RetrievalArchitecture):
    """score(u, i) = ⟨p_u, q_i⟩ + ½·b_i, in which p_u is the sum of the user side's embeddings, (q_i, b_i) that of the item side's.

    The last coordinate of every embedding of an item is its bias, so that one row is all that travels; dense inputs add a linear map of
    themselves. With user.id and item.id alone this is plain matrix factorisation; with the history beside user.id, the sum of SVD++.
    A user's own bias is left out: it is the same for every item, so neither the softmax nor a ranking sees it. A user of whom nothing is
    known is answered by the items' biases.

    Vectors are (p_u, ½) and (q_i, b_i), each brought back to the unit ball where it is longer, which is all the regularisation there is.
    """

    def __init__(self, definition: ModelDefinition) -> None:
        super().__init__(definition)
        if not isinstance(definition.architecture, MatrixFactorisation):
            raise ValueError(
                f"architecture.kind: must be matrix_factorisation, received {definition.architecture.kind}"
            )
        self._slots = {side: [slot.name for slot in definition.slots_of(side)] for side in (Side.USER, Side.ITEM)}
        self._dense = {
            side: self.add_dense(
                f"{side.value}_dense", definition.num_dense(side), self.output_dim, use_bias=False, full_precision=True
            )
            for side in (Side.USER, Side.ITEM)
            if definition.num_dense(side)
        }

    def user_vectors(self, inputs: Inputs) -> Any:
        """float32[n, output_dim]: the factors, then the weight of the items' biases."""
        factors = self._summed(Side.USER, inputs)[:, :-1]
        return _in_unit_ball(tf.pad(factors, [[0, 0], [0, 1]], constant_values=_BIAS_WEIGHT))

    def item_vectors(self, inputs: Inputs) -> Any:
        """float32[n, output_dim]: the factors, then the bias."""
        return _in_unit_ball(self._summed(Side.ITEM, inputs))

    def _summed(self, side: Side, inputs: Inputs) -> Any:
        total = tf.add_n([inputs.slots[name] for name in self._slots[side]])
        return total + self._dense[side](inputs.dense) if side in self._dense else total


def _in_unit_ball(vectors: Any) -> Any:
    """Vectors longer than 1 shortened to it."""
    return vectors * tf.math.rsqrt(tf.maximum(1.0, tf.reduce_sum(vectors * vectors, axis=1, keepdims=True)))
