"""FIDs of whole Arrow arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import engine_cc


def hash_ids(array: pa.Array[Any], slot: int) -> NDArray[np.uint64]:
    """The FID of every value of `array` in `slot`, uint64 [len(array)]; 0 where the value is null.

    Strings: XXH64 of the UTF-8 bytes, seed = slot. Integers and booleans: XXH64 of the value as 8 bytes little endian, two's
    complement, seed = slot + 2**32. The string "5" and the integer 5 are therefore different sparse ids, while 5 has one FID in
    every integer width. Fixed for ever by golden tests. A value may hash to 0 too: drop nulls by the array's validity, not by FID.

    A billion ids are expected to make 0.03 pairs that share a FID (n² / 2**65); a 48-bit hash would make 1,776.

    Raises TypeError for an array that is not of strings, integers, booleans or nulls, ValueError for a slot outside 0..65535.
    """
    if isinstance(array, pa.DictionaryArray):
        array = array.dictionary_decode()
    return engine_cc.hash_ids(array, slot)
