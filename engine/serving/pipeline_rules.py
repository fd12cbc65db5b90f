"""A deployment's document made ready for requests: expressions compiled, tasks checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.ranking.reranking.formulas import check_formula
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.filters.compiled import CompiledFilter
from engine.serving.deployment import ModelRef
from engine.serving.expressions import compiled
from engine.serving.requests import Overrides
from engine.spec.deployment import (
    DeploymentDocument,
    NoDiversity,
    NoExploration,
    SourceKind,
)
from engine.spec.schema import Schema


@dataclass(frozen=True, slots=True)
class Rules:
    """`boosts` and `promotions` are in the document's order; a promotion of declared items has no condition."""

    document: DeploymentDocument
    schema: Schema
    filter: CompiledFilter | None
    boosts: Sequence[CompiledFilter]
    promotions: Sequence[CompiledFilter | None]

    @property
    def brings_unfinished(self) -> bool:
        return any(source.kind is SourceKind.UNFINISHED for source in self.document.retrieval.sources)

    @property
    def draws(self) -> bool:
        return not isinstance(self.document.exploration, NoExploration)

    @property
    def is_diverse(self) -> bool:
        return not isinstance(self.document.diversity, NoDiversity)

    def prepare(self, catalogue: Catalogue) -> None:
        """Make the columns that the expressions read, so that no request has to."""
        for expression in (self.filter, *self.boosts, *self.promotions):
            if expression is not None:
                expression.prepare(catalogue)

    def overridden(self, overrides: Overrides | None) -> Rules:
        """With what a request says instead. Raises `InvalidDocument`."""
        if overrides is None:
            return self
        said = {"diversity": overrides.diversity, "exploration": overrides.exploration}
        parsed = DeploymentDocument.parse(
            {"boosts": list(overrides.boosts), **{name: value for name, value in said.items() if value is not None}},
            "recommend request",
        )
        boosts = [compiled(one.when, self.schema, f"boosts.{place}.when") for place, one in enumerate(parsed.boosts)]
        changes = {name: getattr(parsed, name) for name, value in said.items() if value is not None}
        changes["boosts"] = [*self.document.boosts, *parsed.boosts]
        return Rules(
            self.document.model_copy(update=changes), self.schema, self.filter, [*self.boosts, *boosts], self.promotions
        )


def rules_of(document: DeploymentDocument, schema: Schema, ranking: ModelRef | None) -> Rules:
    """Raises `InvalidDocument` naming what in the document does not fit the schema or the ranking model."""
    if ranking is not None:
        check_formula(document, ranking.definition.tasks)
    return Rules(
        document,
        schema,
        None if document.filter is None else compiled(document.filter, schema, "filter"),
        [compiled(one.when, schema, f"boosts.{place}.when") for place, one in enumerate(document.boosts)],
        [
            None if one.when is None else compiled(one.when, schema, f"promotions.{place}.when")
            for place, one in enumerate(document.promotions)
        ],
    )
