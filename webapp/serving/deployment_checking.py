"""Whether a deployment's document fits the project: what it names must be declared by the schema or be a task of the models."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from engine.errors import InvalidDocument, Problem
from engine.spec.deployment import DeploymentDocument, NoDiversity, SourceKind, TaskProduct, TaskSum
from engine.spec.document import shorten
from engine.spec.document_expressions import expression_problems
from engine.spec.schema import Schema
from webapp.registry.models import ModelVersion

WHAT = "the deployment's document"
EMBEDDING = "embedding"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def document_checked(
    data: Any, *, schema: Schema, retrieval: ModelVersion | None, ranking: ModelVersion | None
) -> DeploymentDocument:
    """The document, read and checked. Raises `InvalidDocument` with every problem, each field's path within the document."""
    document = DeploymentDocument.parse(data, WHAT)
    problems = list(_unstorable("", document.as_json()))
    problems += [
        *_unknown_tasks(document, ranking),
        *_undeclared_properties(document, schema, retrieval),
        *_undeclared_events(document, schema),
        *_nothing_to_ask(document, retrieval, ranking),
        *expression_problems(document, schema),
    ]
    if problems:
        raise InvalidDocument(WHAT, problems)
    return document


def _unstorable(path: str, value: Any) -> Iterator[Problem]:
    """PostgreSQL's documents hold neither these characters nor these numbers."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _unstorable(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _unstorable(f"{path}.{place}", inner)
    elif isinstance(value, str) and _UNSTORABLE.search(value):
        yield Problem(path, "must have neither NUL nor half a surrogate pair", shorten(value))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Problem(path, "must be finite", repr(value))


def _unknown_tasks(document: DeploymentDocument, ranking: ModelVersion | None) -> Iterator[Problem]:
    tasks = [task["name"] for task in ranking.document["tasks"]] if ranking else []
    rule = f"is no task of {ranking}: {', '.join(tasks)}" if ranking else "needs a ranking model, and there is none"
    if isinstance(document.score, TaskProduct | TaskSum):
        for name in document.score.weights.keys() - set(tasks):
            yield Problem(f"score.weights.{name}", rule, repr(name))
    for name in document.calibration.keys() - set(tasks):
        yield Problem(f"calibration.{name}", rule, repr(name))


def _undeclared_properties(
    document: DeploymentDocument, schema: Schema, retrieval: ModelVersion | None
) -> Iterator[Problem]:
    rule = f"is not an item property of the schema: {', '.join(sorted(schema.items)) or 'it declares none'}"
    for place, cap in enumerate(document.caps):
        if cap.property not in schema.items:
            yield Problem(f"caps.{place}.property", rule, repr(cap.property))
    if isinstance(document.diversity, NoDiversity):
        return
    by = document.diversity.by
    if by == EMBEDDING and retrieval is None:
        yield Problem("diversity.by", "needs a retrieval model's embeddings, and there is none", repr(by))
    elif by != EMBEDDING and by not in schema.items:
        yield Problem("diversity.by", f"{rule}; or {EMBEDDING}", repr(by))


def _undeclared_events(document: DeploymentDocument, schema: Schema) -> Iterator[Problem]:
    for place, name in enumerate(document.seen.event_types or ()):
        if name not in schema.events:
            rule = f"is not an event type of the schema: {', '.join(sorted(schema.events))}"
            yield Problem(f"seen.event_types.{place}", rule, repr(name))


def _nothing_to_ask(
    document: DeploymentDocument, retrieval: ModelVersion | None, ranking: ModelVersion | None
) -> Iterator[Problem]:
    """A deployment without models has to say so: a document whose sources all need none."""
    kinds = [source.kind for source in document.retrieval.sources]
    if retrieval is None and ranking is None and SourceKind.NEAREST in kinds:
        place = kinds.index(SourceKind.NEAREST)
        rule = "needs a retrieval model; a deployment without models names other sources"
        yield Problem(f"retrieval.sources.{place}.kind", rule, repr(SourceKind.NEAREST.value))
