"""The bounds of a request, whoever sent it."""

from __future__ import annotations

from typing import Final

from engine.errors import InvalidDocument, Problem
from engine.serving.requests import MAX_CANDIDATES, MAX_EXCLUDE, MAX_ID_LENGTH, MAX_K, Ask, RecommendRequest
from engine.spec.document import shorten

MAX_SESSION: Final = 500
MAX_SHOWN: Final = 10_000
MAX_FIELDS: Final = 200
MAX_PARAMETERS: Final = 100


def check(request: RecommendRequest) -> None:
    """Raise `InvalidDocument` naming every field out of bounds."""
    problems: list[Problem] = []
    if not 1 <= request.k <= MAX_K:
        problems.append(Problem("k", f"must be from 1 to {MAX_K}", shorten(request.k)))
    if len(request.user_id) > MAX_ID_LENGTH:
        problems.append(Problem("user_id", f"must have at most {MAX_ID_LENGTH} characters", shorten(request.user_id)))
    for field, values, most in (
        ("candidates", request.candidates, MAX_CANDIDATES),
        ("exclude", request.exclude, MAX_EXCLUDE),
        ("session", request.session, MAX_SESSION),
        ("shown", request.shown, MAX_SHOWN),
        ("fields", request.fields, MAX_FIELDS),
        ("parameters", request.parameters, MAX_PARAMETERS),
    ):
        if len(values) > most:
            problems.append(Problem(field, f"must have at most {most} entries", f"{len(values)} entries"))
    if request.ask is Ask.RANK and not request.candidates:
        problems.append(Problem("candidates", "must name what to rank", "[]"))
    if request.ask is Ask.SIMILAR and not 1 <= len(request.item_id) <= MAX_ID_LENGTH:
        problems.append(Problem("item_id", f"must have 1 to {MAX_ID_LENGTH} characters", shorten(request.item_id)))
    if problems:
        raise InvalidDocument("recommend request", problems)
