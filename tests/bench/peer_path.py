"""Other libraries for a benchmark that runs them in its own process: from an environment of their own, behind ours on the path."""

from __future__ import annotations

import sys

from tests.bench.engine_peers import PYTHON, Missing, environment
from tests.bench.report import say

NAME = "serving"


def add_peers(*, says: bool = True) -> None:
    """Make what `requirements/bench-serving.txt` names importable; what cannot be had is said, and missing in the table."""
    try:
        interpreter = environment(NAME)
    except Missing as reason:
        if says:
            say(f"the libraries to compare with cannot be had: {reason}")
        return
    # At the end: what both have is taken from the project's own environment.
    sys.path.append(str(interpreter.parent.parent / "lib" / f"python{PYTHON}" / "site-packages"))
