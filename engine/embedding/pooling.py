"""Bags of rows as one vector each: ragged inputs without a loop in Python."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

import engine_cc
from engine.embedding.rows import Floats

Members = NDArray[np.int32]
Splits = NDArray[np.int64]


class Pooling(StrEnum):
    """Sum, mean, sum over the root of the sum of squared weights, or the first n vectors one after the other."""

    SUM = "sum"
    MEAN = "mean"
    SQRTN = "sqrtn"
    FIRST_N = "first_n"


def pool(
    pooling: Pooling,
    rows: Floats,
    members: Members,
    splits: Splits,
    *,
    first_n: int = 0,
    weights: Floats | None = None,
    out: Floats | None = None,
) -> Floats:
    """float32 [num_bags, dim], or [num_bags, first_n, dim] for FIRST_N; zeros for an empty bag.

    Bag b has the positions splits[b] to splits[b + 1] - 1, int64 [num_bags + 1]. members int32 [n] has each position's row of
    `rows`, float32 [num_rows, dim], or -1 for a zero vector, which counts in a mean. weights float32 [n]. Raises TypeError for a
    wrong dtype and ValueError, naming the element, for a wrong shape or value.
    """
    return engine_cc.pool(pooling, first_n, rows, members, splits, weights, out)


def pool_gradient(
    pooling: Pooling,
    out_gradient: Floats,
    members: Members,
    splits: Splits,
    num_rows: int,
    *,
    first_n: int = 0,
    weights: Floats | None = None,
    out: Floats | None = None,
) -> Floats:
    """The gradient with respect to `rows`, float32 [num_rows, dim], given that with respect to what `pool` answered."""
    return engine_cc.pool_gradient(pooling, first_n, out_gradient, members, splits, num_rows, weights, out)


def pool_columns(  # noqa: PLR0917 - as `pool` takes them, and where they go
    pooling: Pooling,
    rows: Floats,
    members: Members,
    splits: Splits,
    columns: Members,
    row_of: Members | None,
    out: Floats,
) -> None:
    """Write the bags of s slots side by side into the lines of `out`, float32 [n, width]; other columns stay as they are.

    Bag r * s + i is what row r has in slot i, and goes to the dim columns from columns[i] on, int32 [s]. Line l has row row_of[l],
    int32 [n], or row l for None. Everything else, and what is raised, as of `pool`; FIRST_N is refused.
    """
    engine_cc.pool_columns(pooling, rows, members, splits, columns, row_of, out)


def add_column_gradient(  # noqa: PLR0917 - as `pool_columns` takes them
    pooling: Pooling,
    gradient: Floats,
    members: Members,
    splits: Splits,
    columns: Members,
    row_of: Members | None,
    out: Floats,
) -> None:
    """Add to `out`, float32 [num_rows, dim], the gradient with respect to `rows`, given that of the lines of `pool_columns`."""
    engine_cc.add_column_gradient(pooling, gradient, members, splits, columns, row_of, out)
