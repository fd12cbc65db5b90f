from __future__ import annotations

from engine.spec.deployment import DeploymentDocument
from engine.spec.document_expressions import expression_problems
from engine.spec.schema import Schema

SCHEMA = Schema.parse({"items": {"price": {"type": "float"}, "topic": {"type": "string"}}, "events": {"click": {}}})


def test_document_whose_expressions_fit_the_schema_has_no_problems() -> None:
    document = DeploymentDocument.parse(
        {
            "filter": "item.price < $max",
            "boosts": [{"when": 'item.topic = "film"', "multiply": 2}],
            "promotions": [{"name": "dear", "when": "item.price >= $max", "slots": [1]}],
            "parameters": {"max": 10.0},
        }
    )
    assert expression_problems(document, SCHEMA) == []


def test_every_broken_expression_is_told_with_its_field() -> None:
    document = DeploymentDocument.parse(
        {
            "filter": "item.price <",
            "boosts": [{"when": "item.price < $max"}, {"when": "item.prize = 1"}],
            "promotions": [{"name": "topic", "when": "item.topic = $max", "slots": [1]}],
            "parameters": {"max": "much"},
        }
    )
    found = expression_problems(document, SCHEMA)
    assert [one.field for one in found] == ["filter", "boosts.1.when", "promotions.0.when", "parameters.max"]
    assert found[2].rule == "$max must be a number, as elsewhere, and is text"
