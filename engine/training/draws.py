"""Random numbers that are a function of a key: the same draw for the same example, however the work is cut or restarted."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

_GAMMA: Final = 0x9E3779B97F4A7C15
_MASK: Final = 2**64 - 1


def mix(words: Words) -> Words:
    """SplitMix64's finalizer (Steele, Lea and Flood, OOPSLA 2014), uint64 to uint64, one to one."""
    mixed = words.copy()
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def example_keys(seed: int, partitions: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]) -> Words:
    """uint64[n]: one key for each place in the log."""
    start = mix(np.array([(seed * _GAMMA + _GAMMA) & _MASK], np.uint64))
    keyed = mix(start ^ mix(partitions.astype(np.uint64) + np.uint64(_GAMMA)))
    return mix(keyed + offsets.astype(np.uint64) * np.uint64(_GAMMA))


def uniform_draws(keys: Words, num_draws: int, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """int64[n, num_draws]: in row i, integers uniform in [0, sizes[i]), sizes below 2**32 and at least 1.

    The upper 32 bits times the size, as in Lemire (2019) without his rejection step: the bias is below sizes / 2**32.
    """
    counters = np.arange(1, num_draws + 1, dtype=np.uint64) * np.uint64(_GAMMA)
    words = mix((keys[:, np.newaxis] + counters[np.newaxis, :]).ravel()).reshape(keys.size, num_draws)
    scaled = ((words >> np.uint64(32)) * sizes.astype(np.uint64)[:, np.newaxis]) >> np.uint64(32)
    return scaled.astype(np.int64)


def unit_draws(keys: Words, stream: int) -> npt.NDArray[np.float64]:
    """float64[n] uniform in [0, 1), independent for different `stream` numbers."""
    words = mix(keys ^ mix(np.full(1, stream, np.uint64) + np.uint64(_GAMMA)))
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
