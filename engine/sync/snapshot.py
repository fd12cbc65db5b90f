"""What a replica has to know of a snapshot: its place among the deltas, and its contents once loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.embedding.store import ServingStore
from engine.errors import CorruptRecord
from engine.sync.delta import TrainedThrough


class SnapshotMeta(BaseModel):
    """The part of a snapshot folder's manifest `meta` that sync reads; other keys are the writer's own.

    Everything up to delta `sequence` is in the snapshot; `params_offset` is where the next delta is to be read. A writer
    takes both, `Publisher.sequence` and `Publisher.next_offset`, after publishing and before training goes on. `epoch` is the
    publisher's: deltas of an older one that lie behind `params_offset` are not to be applied.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    sequence: int = Field(ge=0)
    params_offset: int = Field(ge=0)
    trained_through: TrainedThrough = TrainedThrough()
    created_ms: int | None = None
    epoch: int = Field(default=0, ge=0)

    @classmethod
    def from_manifest(cls, meta: Mapping[str, Any]) -> SnapshotMeta:
        """Raises `CorruptRecord`."""
        try:
            return cls.model_validate(dict(meta))
        except ValidationError as error:
            raise CorruptRecord(f"a snapshot's manifest lacks its place among the deltas: {error}") from error


@dataclass(frozen=True, slots=True)
class LoadedSnapshot:
    """A snapshot in memory: its tables and its dense weights (float32, by name)."""

    store: ServingStore
    weights: dict[str, NDArray[np.float32]]
