"""The engine's typed errors, in one place, so that a caller can catch a class and never has to read a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class EngineError(Exception):
    """Anything the engine refuses or fails at. `code` is stable and machine-readable; the message says what to do."""

    code = "engine_error"

    def __init__(self, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.message = message
        self.extra = extra


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: where (`field`, dotted path), which `rule`, and what was `received` (shortened)."""

    field: str
    rule: str
    received: str

    def as_dict(self) -> dict[str, str]:
        return {"field": self.field, "rule": self.rule, "received": self.received}


class InvalidDocument(EngineError):
    """A schema, model definition, event or mapping that breaks its rules; carries every problem found."""

    code = "invalid_document"

    def __init__(self, what: str, problems: list[Problem]) -> None:
        lines = "; ".join(f"{p.field}: {p.rule} (received {p.received})" for p in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        super().__init__(f"{what} is not valid: {lines}{more}", problems=[p.as_dict() for p in problems])
        self.problems = problems


class LogError(EngineError):
    """The event log could not do what was asked."""

    code = "log_error"


class LogUnavailable(LogError):
    """The event log's server does not answer now; the same call may succeed in a moment."""

    code = "log_unavailable"


class UnknownTopic(LogError):
    """A read or append named a topic or partition that does not exist."""

    code = "unknown_topic"


class OffsetOutOfRange(LogError):
    """A read asked for records that were trimmed; `extra["earliest"]` is the first offset still held."""

    code = "offset_out_of_range"


class CorruptRecord(EngineError):
    """Bytes whose checksum, magic or shape is wrong: a delta, a checkpoint file, a snapshot file."""

    code = "corrupt_record"


class SaveCancelled(EngineError):
    """A checkpoint was told to stop before it was whole."""

    code = "save_cancelled"


class SequenceGap(EngineError):
    """A delta arrived whose predecessor was never applied; the remedy is a resync from a snapshot."""

    code = "sequence_gap"


class NoCheckpoint(EngineError):
    """A restore was asked for and there is no complete checkpoint or snapshot."""

    code = "no_checkpoint"


class LeaseLost(EngineError):
    """The work's lease went to another holder; whoever sees this must stop without publishing."""

    code = "lease_lost"


class ReplicaUnavailable(EngineError):
    """No replica answered in time, or none serves the deployment asked for."""

    code = "replica_unavailable"


class Interrupted(EngineError):
    """Work was asked to stop before its end; nothing is wrong with it."""

    code = "interrupted"


class GivenUp(EngineError):
    """A trial did so badly that it was not worth going on."""

    code = "given_up"
