"""Values of properties to the 64-bit keys that counters count by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.embedding.hashing import hash_ids
from engine.features.key_rows import Keys

Mask = npt.NDArray[np.bool_]

_SEED: Final = 0
"""No slot has the number 0: a counter's key is no FID."""

# The finaliser of MurmurHash3 spreads the sum of two hashes over all bits again.
_FIRST: Final = np.uint64(0xFF51AFD7ED558CCD)
_SECOND: Final = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT: Final = np.uint64(33)
_SCALAR_TYPES: Final = (str, int, float)


Hashed = tuple[Keys, Mask]
"""Hashes uint64[n], and which rows have one, bool[n]."""


def combined(columns: Sequence[Hashed]) -> Hashed:
    """Keys of one or two hashed columns of n rows (or of 1 row, which stands for n equal ones): a row needs a hash in each.

    Two pairs of values have the same key with a probability of 2^-64.
    """
    keys, is_known = columns[0]
    for others, others_known in columns[1:]:
        keys, is_known = _mixed(keys, others), is_known & others_known
    return keys, is_known


def hashed(values: Sequence[Any]) -> Hashed:
    """The hashes of a property's values.

    A string that is not empty has one, an integer of 64 bits, a boolean, and a float that is a whole number: it counts as that integer.
    """
    try:
        array = pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        return _hashed_one_by_one(values)
    if pa.types.is_string(array.type):
        hashes = hash_ids(array, _SEED)
        is_known = np.fromiter(map(bool, values), np.bool_, len(values))
        return hashes, is_known
    if pa.types.is_int64(array.type) or pa.types.is_boolean(array.type):
        return hash_ids(array, _SEED), array.is_valid().to_numpy(zero_copy_only=False)
    return _hashed_one_by_one(values)


def _hashed_one_by_one(values: Sequence[Any]) -> Hashed:
    """For columns of several types, as when a property's type was changed: a value's key does not depend on its neighbours."""
    keys = np.zeros(len(values), np.uint64)
    is_known = np.zeros(len(values), np.bool_)
    for index, value in enumerate(values):
        whole = int(value) if isinstance(value, float) and value.is_integer() else value
        if isinstance(whole, float) or not isinstance(whole, _SCALAR_TYPES) or whole == "":
            continue
        if isinstance(whole, int) and not -(2**63) <= whole < 2**63:
            continue
        keys[index] = hash_ids(pa.array([whole]), _SEED)[0]
        is_known[index] = True
    return keys, is_known


def _mixed(first: Keys, second: Keys) -> Keys:
    """One key for each pair, the order of the two mattering; either may be of length 1."""
    mixed: Keys = first * _FIRST + second
    mixed = (mixed ^ (mixed >> _SHIFT)) * _FIRST
    mixed = (mixed ^ (mixed >> _SHIFT)) * _SECOND
    return mixed ^ (mixed >> _SHIFT)
