"""What a page says of an expression while it is written: where it is wrong, or for how many items it holds; and what it may read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.errors import EngineError, InvalidDocument, Problem
from engine.serving.requests import CountRequest
from engine.spec.expression import parse_expression
from engine.spec.expression_checking import check_expression
from engine.spec.schema import PropertyType, Schema
from webapp.serving.asking_replicas import items_counted
from webapp.serving.models import Deployment

_PLACE: Final = re.compile(r"^at character (\d+): ")
_AROUND: Final = 24
MAX_EXPRESSIONS: Final = 101


@dataclass(frozen=True)
class Trouble:
    """A broken rule of an expression. `before`, `at` and `after` are the text around the place; empty where the rule names none."""

    rule: str
    character: int | None = None
    before: str = ""
    at: str = ""
    after: str = ""


@dataclass(frozen=True)
class Report:
    """`num_holding` of `num_items` items fulfil the expression; None while no replica counts. `part` is the control it stands in."""

    field: str
    text: str
    troubles: tuple[Trouble, ...] = ()
    num_holding: int | None = None
    num_items: int | None = None

    @property
    def part(self) -> str:
        return self.field.partition(".")[0]

    @property
    def name(self) -> str:
        """As a person would say it: a row counts from 1."""
        part, _, rest = self.field.partition(".")
        return part.capitalize() if not rest else f"{part.rstrip('s').capitalize()} {int(rest.partition('.')[0]) + 1}"

    @property
    def share(self) -> float | None:
        return self.num_holding / self.num_items if self.num_items and self.num_holding is not None else None


@dataclass(frozen=True)
class Readable:
    """A name that expressions may read."""

    name: str
    kind: str


def expressions_in(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each expression of a document that may be broken otherwise: its field and text."""
    if isinstance(text := document.get("filter"), str) and text:
        yield "filter", text
    for part in ("boosts", "promotions"):
        rows = document.get(part)
        for place, row in enumerate(rows if isinstance(rows, list) else ()):
            if isinstance(row, Mapping) and isinstance(text := row.get("when"), str) and text:
                yield f"{part}.{place}.when", text


def expression_reports(
    *, deployment: Deployment, schema: Schema, document: Mapping[str, Any], user_id: str
) -> list[Report]:
    """Every expression of the document, judged by the schema and counted by a replica, for this user and the document's parameters."""
    found = list(expressions_in(document))[:MAX_EXPRESSIONS]
    troubles = {field: _troubles(field, text, schema) for field, text in found}
    sound = [(field, text) for field, text in found if not troubles[field]]
    counted = _counted(deployment, sound, document, user_id) if sound else {}
    return [counted.get(field) or Report(field, text, troubles[field]) for field, text in found]


def readable_names(schema: Schema) -> list[Readable]:
    """What the schema lets an expression read. A vector cannot be read."""
    names = [Readable("item.id", "string")]
    names += [_readable("item", name, declared.type) for name, declared in sorted(schema.items.items())]
    names += [Readable("user.id", "string")]
    names += [_readable("user", name, declared.type) for name, declared in sorted(schema.users.items())]
    context: dict[str, PropertyType] = {}
    for event_type in schema.events.values():
        context |= {name: declared.type for name, declared in event_type.properties.items()}
    names += [_readable("context", name, kind) for name, kind in sorted(context.items())]
    return [one for one in names if one.kind != PropertyType.VECTOR]


def _readable(of: str, name: str, kind: PropertyType) -> Readable:
    return Readable(f"{of}.{name}", kind.value)


def _troubles(field: str, text: str, schema: Schema) -> tuple[Trouble, ...]:
    try:
        check_expression(parse_expression(text, field), schema)
    except InvalidDocument as error:
        return tuple(_trouble(text, problem) for problem in error.problems)
    return ()


def _trouble(text: str, problem: Problem) -> Trouble:
    found = _PLACE.match(problem.rule)
    if found is None:
        rule = problem.rule if problem.field.partition(".")[0] != "parameters" else f"{problem.field} {problem.rule}"
        return Trouble(rule)
    place = int(found[1]) - 1
    word = re.match(r"[\w.$]+|.", text[place:], re.DOTALL)
    at = word[0] if word else ""
    end = place + len(at)
    before = ("…" if place > _AROUND else "") + text[max(0, place - _AROUND) : place]
    after = text[end : end + _AROUND] + ("…" if len(text) > end + _AROUND else "")
    return Trouble(problem.rule[found.end() :], int(found[1]), before, at, after)


def _counted(
    deployment: Deployment, expressions: Sequence[tuple[str, str]], document: Mapping[str, Any], user_id: str
) -> dict[str, Report]:
    """{} when no replica counts: the preview says why."""
    parameters = document.get("parameters")
    asked = CountRequest(
        project=deployment.project.slug,
        deployment=deployment.name,
        expressions=tuple(expressions),
        user_id=user_id,
        parameters=parameters if isinstance(parameters, dict) else {},
    )
    try:
        reply = items_counted(asked)
    except EngineError:
        return {}
    return {
        field: Report(
            field, text, tuple(_trouble(text, each) for each in count.problems), count.num_holding, reply.num_items
        )
        for (field, text), count in zip(expressions, reply.counts, strict=True)
    }
