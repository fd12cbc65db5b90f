"""Everything that can be said of a request without a replica, for `validate_only`: as a replica would refuse it, all problems at once."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import InvalidDocument, Problem
from engine.spec.document import shorten
from engine.spec.expression import parse_expression
from engine.spec.expression_checking import check_expression
from engine.spec.expression_parameters import check_parameters
from engine.spec.schema import Schema
from webapp.serving.door.preparing import Prepared, rules_of

WHAT = "recommend request"


def judge(prepared: Prepared) -> None:
    """Raises `InvalidDocument` with every problem."""
    schema = rules_of(prepared.project).schema
    problems = [
        *_expressions(prepared, schema),
        *_fields(prepared, schema),
        *_session(prepared, schema),
        *_diversity(prepared, schema),
    ]
    if problems:
        raise InvalidDocument(WHAT, problems)


def _expressions(prepared: Prepared, schema: Schema) -> Iterator[Problem]:
    request = prepared.request
    texts = {} if request.filter is None else {"filter": request.filter}
    for place, boost in enumerate(request.overrides.boosts if request.overrides else ()):
        texts[f"boosts.{place}.when"] = str(boost["when"])
    values = {**prepared.document.parameters, **request.parameters}
    for field, text in texts.items():
        try:
            check_parameters(check_expression(parse_expression(text, field), schema).parameters, values)
        except InvalidDocument as error:
            yield from error.problems


def _fields(prepared: Prepared, schema: Schema) -> Iterator[Problem]:
    for place, name in enumerate(prepared.request.fields):
        if name not in schema.items:
            yield Problem(
                f"fields.{place}", f"is not an item property of the schema: {_listed(schema.items)}", shorten(name)
            )


def _session(prepared: Prepared, schema: Schema) -> Iterator[Problem]:
    for place, event in enumerate(prepared.request.session):
        if event.type not in schema.events:
            rule = f"is not an event type of the schema: {_listed(schema.events)}"
            yield Problem(f"session.{place}.type", rule, shorten(event.type))


def _diversity(prepared: Prepared, schema: Schema) -> Iterator[Problem]:
    overrides = prepared.request.overrides
    by = (overrides.diversity or {}).get("by", "embedding") if overrides else "embedding"
    if by != "embedding" and by not in schema.items:
        rule = f"must be embedding or an item property of the schema: {_listed(schema.items)}"
        yield Problem("diversity.by", rule, shorten(by))


def _listed(names: object) -> str:
    return ", ".join(sorted(names)[:20]) if isinstance(names, dict) and names else "it declares none"
