"""How much memory a model may take for its rows and for ids that wait for one, and which rows go first when it is full."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from engine.spec.document import Document


class Evict(StrEnum):
    """Which rows go first when the tables have reached the memory budget."""

    LEAST_RECENT = "least_recent"
    LEAST_OFTEN = "least_often"


class Retention(Document):
    """The model's memory budget, over all its tables. Expiry is each slot's own rule and works beside it."""

    max_table_bytes: int | None = Field(
        default=None,
        ge=2**20,
        le=2**46,
        description="memory of all the model's tables while training; when it is reached, rows go. Without it: no limit",
    )
    evict: Evict = Field(
        default=Evict.LEAST_RECENT,
        description="which rows go first: those not seen for longest, or those seen least often",
    )
    max_candidates: int = Field(
        default=2**22,
        ge=2**10,
        le=2**32,
        description="ids counted at once that wait for admission; beyond it ids with the lowest counts are forgotten and begin anew",
    )
