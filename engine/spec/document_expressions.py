"""The expressions of a deployment's document, all held against the schema at once."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import InvalidDocument, Problem
from engine.spec.deployment import DeploymentDocument
from engine.spec.document import shorten
from engine.spec.expression import parse_expression
from engine.spec.expression_checking import check_expression
from engine.spec.expression_parameters import check_parameters
from engine.spec.expression_tree import ValueKind
from engine.spec.schema import Schema


def expressions_of(document: DeploymentDocument) -> Iterator[tuple[str, str]]:
    """Each expression's field in the document and its text."""
    if document.filter is not None:
        yield "filter", document.filter
    for place, boost in enumerate(document.boosts):
        yield f"boosts.{place}.when", boost.when
    for place, promotion in enumerate(document.promotions):
        if promotion.when is not None:
            yield f"promotions.{place}.when", promotion.when


def expression_problems(document: DeploymentDocument, schema: Schema) -> list[Problem]:
    """What is wrong with any of them: what they read, what they compare, and a parameter that is not of the kind that they need.

    A parameter that the document does not give is none of these: requests may.
    """
    problems: list[Problem] = []
    kinds: dict[str, ValueKind] = {}
    for field, text in expressions_of(document):
        try:
            checked = check_expression(parse_expression(text, field), schema)
        except InvalidDocument as error:
            problems += error.problems
            continue
        for name, kind in checked.parameters.items():
            if kinds.setdefault(name, kind) is not kind:
                problems.append(
                    Problem(field, f"${name} must be {kinds[name]}, as elsewhere, and is {kind}", shorten(text))
                )
    given = {name: kind for name, kind in kinds.items() if name in document.parameters}
    try:
        check_parameters(given, document.parameters)
    except InvalidDocument as error:
        problems += error.problems
    return problems
