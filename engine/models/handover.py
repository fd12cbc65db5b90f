"""Arrays to TensorFlow and back without a copy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import tensorflow as tf

from engine.features.encoded import FloatArray

_ALIGNMENT: Final = 64
_WORTH_BYTES: Final = 1 << 16
"""Below, a copy is quicker than the ceremony."""


class FloatBuffers:
    """Memory for float32 arrays by name, aligned as TensorFlow wants it, which each use takes over from the one before."""

    def __init__(self) -> None:
        self._blocks: dict[str, FloatArray] = {}

    def of(self, name: str, shape: tuple[int, ...]) -> FloatArray:
        """C-contiguous, of unset content; what was answered for the name before is no longer the caller's."""
        size = int(np.prod(shape))
        block = self._blocks.get(name)
        if block is None or block.size < size:
            block = self._blocks[name] = _aligned(size + size // 4)
        return block[:size].reshape(shape)


def tensor_of(array: FloatArray) -> Any:
    """The array as a tensor. A large aligned one is shared, not copied: it must not change while the tensor is used."""
    if array.nbytes < _WORTH_BYTES or array.ctypes.data % _ALIGNMENT or not array.flags.c_contiguous:
        return tf.convert_to_tensor(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def array_of(tensor: Any) -> FloatArray:
    """What an eager tensor on the processor holds, shared and not to be written to; `Tensor.numpy` copies."""
    return np.asarray(memoryview(tensor))


def _aligned(size: int) -> FloatArray:
    spare = _ALIGNMENT // 4
    block = np.empty(size + spare, np.float32)
    start = (-block.ctypes.data % _ALIGNMENT) // 4
    return block[start : start + size]
