"""What a call to a replica that failed says on the wire, and what it means to the one who called."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import grpc
import orjson

from engine.errors import EngineError, InvalidDocument, Problem, ReplicaUnavailable

Code = grpc.StatusCode

_CODES: Final[dict[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}


class Failure(NamedTuple):
    """`problems_json`: the broken rules of an INVALID_ARGUMENT as a JSON list of {field, rule, received}; else empty."""

    code: grpc.StatusCode
    message: str
    problems_json: bytes = b""

    @property
    def number(self) -> int:
        value: int = self.code.value[0]
        return value

    def to_json(self) -> bytes:
        """{"message", "problems"}; the code travels beside it."""
        return orjson.dumps({"message": self.message, "problems": orjson.Fragment(self.problems_json or b"[]")})


def failure_of(error: EngineError) -> Failure:
    """How a replica tells of it."""
    if isinstance(error, ReplicaUnavailable):
        return Failure(Code.NOT_FOUND, error.message)
    if isinstance(error, InvalidDocument):
        problems = orjson.dumps([problem.as_dict() for problem in error.problems])
        return Failure(Code.INVALID_ARGUMENT, error.message, problems)
    return Failure(Code.INTERNAL, error.message)


def failure_from_json(number: int, data: bytes) -> Failure:
    """Raises `EngineError` for what is no failure."""
    try:
        told: dict[str, Any] = orjson.loads(data)
        return Failure(_CODES[number], str(told["message"]), orjson.dumps(told["problems"]))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise EngineError(f"a failure of code {number} cannot be read: {type(error).__name__}") from error


def error_of(failure: Failure, address: str) -> EngineError:
    """What a failed call to the replica at `address` means: `ReplicaUnavailable`, `InvalidDocument`, or `EngineError` when it failed.

    `extra` of the first has `is_late` when time ran out, and `is_away` False when the replica is there and does not serve the deployment.
    """
    code, details = failure.code, failure.message
    if code is Code.NOT_FOUND:
        return ReplicaUnavailable(details, address=address, is_away=False)
    if code is Code.DEADLINE_EXCEEDED:
        return ReplicaUnavailable(f"replica {address} did not answer in time", address=address, is_late=True)
    if code in (Code.UNAVAILABLE, Code.CANCELLED):
        return ReplicaUnavailable(f"replica {address} cannot be reached: {details}", address=address)
    if code is Code.UNIMPLEMENTED:
        said = f"replica {address} is of an older release and cannot do this; restart it with this one"
        return ReplicaUnavailable(said, address=address, is_away=False)
    if code is Code.INVALID_ARGUMENT:
        return InvalidDocument("recommend request", _problems(failure))
    return EngineError(f"replica {address} failed: {code.name}: {details}", address=address)


def _problems(failure: Failure) -> list[Problem]:
    if not failure.problems_json:
        return [Problem("(request)", failure.message or "was refused", "")]
    return [Problem(**problem) for problem in orjson.loads(failure.problems_json)]
