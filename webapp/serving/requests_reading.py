"""From a body of JSON to a call, or to every problem with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from engine.errors import Problem
from engine.serving.requests import Ask
from engine.spec.document import shorten
from webapp.core.errors import Invalid
from webapp.serving.asked import Asked
from webapp.serving.requests_calls import CallBody, RankBody, RecommendBody, SimilarBody

MAX_LISTED = 20

BODIES: Mapping[Ask, type[CallBody]] = {
    Ask.RECOMMEND: RecommendBody,
    Ask.RANK: RankBody,
    Ask.SIMILAR: SimilarBody,
}


def read_call(ask: Ask, data: Any, now_ms: int) -> Asked:
    """The call that a decoded body makes. Raises `Invalid` with every problem: the field, its rule, and what was received."""
    if not isinstance(data, Mapping):
        raise Invalid.field("(document)", "must be an object", shorten(data))
    try:
        body = BODIES[ask].model_validate(data)
    except ValidationError as error:
        raise _invalid([_problem(BODIES[ask], dict(item)) for item in error.errors(include_url=False)]) from error
    problems = _together(ask, body)
    if problems:
        raise _invalid(problems)
    return body.asked(now_ms)


def _together(ask: Ask, body: CallBody) -> list[Problem]:
    """What no field breaks by itself."""
    problems = []
    if ask is not Ask.SIMILAR and body.user_id is None and not body.session:
        problems.append(Problem("user_id", "is required, unless session has events", "nothing"))
    if body.deployment is not None and body.scenario is not None and body.deployment != body.scenario:
        problems.append(
            Problem("scenario", "is another word for deployment; send one of the two", shorten(body.scenario))
        )
    return problems


def _problem(body: type[CallBody], item: dict[str, Any]) -> Problem:
    field = ".".join(str(part) for part in item["loc"]) or "(document)"
    if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
        names = ", ".join(body.model_fields)
        return Problem(field[:80], f"is not a field; the fields are: {names}", shorten(item["input"]))
    if item["type"] == "missing":
        return Problem(field, "is required", "nothing")
    return Problem(field, str(item["msg"]).removeprefix("Value error, "), shorten(item.get("input")))


def _invalid(problems: list[Problem]) -> Invalid:
    message = "; ".join(f"{one.field}: {one.rule}" for one in problems[:5])
    return Invalid(message, problems=[one.as_dict() for one in problems[:MAX_LISTED]])
