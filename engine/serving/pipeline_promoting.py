"""Items that promotions put into the answer, whether or not a source brought them."""

from __future__ import annotations

from typing import Final

import numpy as np

from engine.retrieval.allowed import Condition
from engine.retrieval.catalogue import Catalogue
from engine.retrieval.item_rows import Rows
from engine.retrieval.source import Mask
from engine.serving.gathered import Gathered
from engine.serving.pipeline_question import Question
from engine.spec.deployment import DeploymentDocument

PROMOTED: Final = "promoted"
MAX_FOR_A_PROMOTION: Final = 100
"""Of what a promotion's condition holds for and no source brought, so many of the newest are candidates."""


class Promoting:
    """The promotions of one deployment. From any thread."""

    def __init__(self, catalogue: Catalogue, document: DeploymentDocument) -> None:
        self._catalogue = catalogue
        self._items = [one.items for one in document.promotions]
        self._known: tuple[int, list[Rows]] = (-1, [])

    def named_rows(self) -> list[Rows]:
        """For each promotion the rows of the items that it names. They are looked up again when items have changed."""
        num_changes, rows = self._known
        if num_changes != self._catalogue.num_changes:
            num_changes = self._catalogue.num_changes
            found = [self._catalogue.rows_of(items) for items in self._items]
            rows = [each[each >= 0] for each in found]
            self._known = num_changes, rows
        return rows

    def masks(self, question: Question, rows: Rows) -> list[Mask]:
        """For each promotion bool[n]: which of `rows` it is for."""
        return [
            np.isin(rows, named) if condition is None else condition(rows)
            for named, condition in zip(self.named_rows(), question.promotions, strict=True)
        ]

    def with_promoted(self, question: Question, candidates: Gathered) -> Gathered:
        """The candidates and, behind them, what promotions name, and what holds for one that has fewer candidates than slots. Only what
        is allowed: a filter stands above a promotion."""
        found: list[Rows] = []
        declared = question.rules.document.promotions
        for promotion, named, condition in zip(declared, self.named_rows(), question.promotions, strict=True):
            if condition is None:
                found.append(named)
            elif np.count_nonzero(condition(candidates.rows)) < len(promotion.slots):
                found.append(self._newest(question, condition))
        if not found:
            return candidates
        rows = np.unique(np.concatenate(found))
        rows = rows[~np.isin(rows, candidates.rows)]
        rows = rows[question.allowed.keep(rows)]
        least = float(candidates.scores.min(initial=0.0))
        return candidates.with_rows(rows, PROMOTED, np.full(rows.size, least, np.float32))

    def _newest(self, question: Question, condition: Condition) -> Rows:
        """int32[m]: the newest allowed items for which the condition holds."""
        allowed = question.allowed.mask()
        rows = np.flatnonzero(allowed & condition(None)[: allowed.size])
        newest = np.argsort(-self._catalogue.first_written_ms[rows], kind="stable")[:MAX_FOR_A_PROMOTION]
        return rows[newest].astype(np.int32)
