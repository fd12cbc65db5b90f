"""`implicit`'s matrix factorisations, as peers: weighted alternating least squares and Bayesian personalised ranking."""

from __future__ import annotations

import logging
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

KINDS: Final = ("als", "bpr")


def fitted(kind: str, clicked: Any, seed: int) -> tuple[Floats, Floats]:
    """Factors of users float32[u, f] and items float32[i, f] of a scipy CSR matrix of clicks; a dot product is the score.

    `als`: Hu, Koren and Volinsky (ICDM 2008). `bpr`: Rendle et al. (UAI 2009), whose factors hold a bias too. All settings are the
    package's defaults. Raises ValueError for another kind.
    """
    logging.getLogger("implicit").setLevel(logging.ERROR)
    from implicit.als import AlternatingLeastSquares
    from implicit.bpr import BayesianPersonalizedRanking
    from threadpoolctl import threadpool_limits

    if kind not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}, received {kind!r}")
    # implicit has threads of its own; a BLAS with threads below them makes it many times slower.
    with threadpool_limits(1, "blas"):
        model: Any = (AlternatingLeastSquares if kind == "als" else BayesianPersonalizedRanking)(random_state=seed)
        model.fit(clicked, show_progress=False)
    return np.asarray(model.user_factors, np.float32), np.asarray(model.item_factors, np.float32)
