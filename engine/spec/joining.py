"""How a project's impressions and actions become examples; `docs/joiner.md` says what each setting does."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydantic import Field

from engine.spec.document import Document

MAX_JOIN_WINDOW_S: Final = 7 * 86_400
MAX_EARLY_S: Final = 3600


class Positives(StrEnum):
    """`at_once`: an action is an example when it comes, what did not come another when the window ends. `wait`: one example, with
    all labels, when the last window ends.
    """

    AT_ONCE = "at_once"
    WAIT = "wait"


class Joining(Document):
    """Rules of the joiner that a project may choose."""

    positives: Positives = Field(
        default=Positives.AT_ONCE,
        description="at_once: an action is learned when it comes; wait: one example with all labels when the window ends",
    )
    negative_sampling_rate: float = Field(
        default=1.0, ge=0, le=1, description="the share of what was shown and not acted on that becomes examples"
    )
    early_wait_s: float = Field(
        default=5.0,
        ge=0,
        le=MAX_EARLY_S,
        description="how long an action that names a recommendation waits for that impression; 0: not at all",
    )
    late_s: float = Field(
        default=0.0,
        ge=0,
        le=MAX_JOIN_WINDOW_S,
        description="how long after the last window an action still corrects the negative that was learned instead",
    )
