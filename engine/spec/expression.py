"""Expressions over item, user and request, as filters, boosts and promotions have them: read, and checked against a schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lark.exceptions import UnexpectedInput

from engine.errors import InvalidDocument, Problem
from engine.spec.deployment import MAX_EXPRESSION_CHARACTERS
from engine.spec.document import shorten
from engine.spec.expression_building import Builder, Misplaced
from engine.spec.expression_grammar import expectation, parser_into, place_of
from engine.spec.expression_tree import Node

EXPRESSION: Final = "expression"


@dataclass(frozen=True, slots=True)
class Expression:
    """A text and what it says, not yet held against a schema. `field` is the document's field it came from, for errors."""

    text: str
    root: Node
    field: str = EXPRESSION

    def problem(self, place: int, rule: str) -> Problem:
        """What is wrong at the character numbered `place`."""
        return problem_at(self.text, self.field, place, rule)


def parse_expression(text: str, field: str = EXPRESSION) -> Expression:
    """Raises `InvalidDocument` that names `field`, the place (number of the character, from 1), the rule and what stands there."""
    if not isinstance(text, str):
        raise InvalidDocument("expression", [Problem(field, "must be text", shorten(text))])
    if not 0 < len(text) <= MAX_EXPRESSION_CHARACTERS:
        rule = f"must have 1 to {MAX_EXPRESSION_CHARACTERS} characters"
        raise InvalidDocument("expression", [Problem(field, rule, f"{len(text)} characters")])
    try:
        root = parser_into(Builder).parse(text)
    except UnexpectedInput as error:
        raise InvalidDocument(
            "expression", [problem_at(text, field, place_of(error, text), expectation(error))]
        ) from None
    except Misplaced as error:
        raise InvalidDocument("expression", [problem_at(text, field, error.place, error.rule)]) from None
    return Expression(text, root, field)  # type: ignore[arg-type]  # the builder makes nodes


def problem_at(text: str, field: str, place: int, rule: str) -> Problem:
    received = shorten(text[place - 1 :]) if place <= len(text) else "the end"
    return Problem(field, f"at character {place}: {rule}", received)
