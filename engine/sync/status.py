"""What a replica says of itself, so that serving never lies about how old its parameters are."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from engine.sync.delta import TrainedThrough


class ResyncCause(StrEnum):
    """Why deltas alone could not bring the replica forward, or (`behind`) not as fast as a snapshot; or somebody asked for it."""

    GAP = "gap"
    CORRUPT = "corrupt"
    TRIMMED = "trimmed"
    DIGEST = "digest"
    BEHIND = "behind"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """A replica's place. `sequence` is 0 before anything was applied; then `age_s` is None.

    `age_s` is the time since the trainer made the newest delta or snapshot applied. `trainer_sequence` is the newest
    number known to be in the topic. `waiting_for_snapshot` is why nothing can be applied until a newer snapshot is there.
    Counts are since the replica started; `num_bytes_applied` counts records of the log, `num_fenced` deltas that were passed over
    because their trainer had lost its lease. `verified_sequence` is the newest delta after which every table was found equal to the
    trainer's by its digest; 0 before there was one.
    """

    is_ready: bool
    sequence: int
    trainer_sequence: int
    trained_through: TrainedThrough
    age_s: float | None
    num_deltas_applied: int
    num_rows_applied: int
    num_deletes_applied: int
    num_bytes_applied: int
    num_repeats: int
    num_resyncs: int
    num_fenced: int = 0
    resyncs_by_cause: dict[str, int] = field(default_factory=dict)
    verified_sequence: int = 0
    waiting_for_snapshot: str | None = None
    last_error: str | None = None


@dataclass(slots=True)
class ApplyReport:
    """What one `poll` did. `has_more`: another poll at once will find more to apply."""

    num_deltas: int = 0
    num_rows: int = 0
    num_deletes: int = 0
    num_bytes: int = 0
    num_repeats: int = 0
    num_resyncs: int = 0
    num_fenced: int = 0
    has_more: bool = False
