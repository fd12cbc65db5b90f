"""The score that a deployment's document makes of the ranking model's predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from engine.errors import InvalidDocument, Problem
from engine.models.scores import score_of
from engine.ranking.reranking.pool import Pool, Scores
from engine.spec.deployment import Calibration, DeploymentDocument, ModelScore, TaskProduct, TaskSum
from engine.spec.score import ProductScore, Score, SumScore
from engine.spec.task import BinaryTask, Task

LEAST_CHANCE: Final = 1e-7
"""A prediction nearer to 0 or 1 is calibrated as if it were so far from it: its logit has to be finite."""


def formula_scores(document: DeploymentDocument, pool: Pool) -> Scores:
    """float32[n], finite: the document's formula of the calibrated predictions; the model's own score where neither is asked for or no
    ranking model answered. Raises `InvalidDocument` as `check_formula`."""
    if pool.by_task is None or (isinstance(document.score, ModelScore) and not document.calibration):
        return pool.scores
    check_formula(document, pool.tasks)
    predictions = calibrated(pool.by_task, pool.tasks, document.calibration)
    return score_of(_formula(document, pool.model_score), pool.tasks, predictions)


def calibrated(predictions: Scores, tasks: Sequence[Task], calibration: Mapping[str, Calibration]) -> Scores:
    """float32[n, num_tasks]: Platt's scaling (Probabilistic Outputs for Support Vector Machines, 1999) of the logits of the tasks named."""
    if not calibration:
        return predictions
    scaled = predictions.copy()
    for place, task in enumerate(tasks):
        rule = calibration.get(task.name)
        if rule is not None:
            chance = np.clip(predictions[:, place].astype(np.float64), LEAST_CHANCE, 1 - LEAST_CHANCE)
            logit = rule.slope * np.log(chance / (1 - chance)) + rule.intercept
            # tanh saturates where exp overflows
            scaled[:, place] = 0.5 + 0.5 * np.tanh(0.5 * logit)
    return scaled


def check_formula(document: DeploymentDocument, tasks: Sequence[Task]) -> None:
    """Raise `InvalidDocument` naming every task that the model does not have, or that predicts no chance and so cannot be calibrated."""
    known = {task.name: task for task in tasks}
    rule = f"must be a task of the ranking model: {', '.join(known)}"
    weights = () if isinstance(document.score, ModelScore) else document.score.weights
    problems = [Problem(f"score.weights.{name}", rule, name) for name in weights if name not in known]
    for name in document.calibration:
        task = known.get(name)
        if task is None:
            problems.append(Problem(f"calibration.{name}", rule, name))
        elif not isinstance(task, BinaryTask):
            problems.append(Problem(f"calibration.{name}", "must be a task that predicts a chance", task.kind))
    if problems:
        raise InvalidDocument("deployment", problems)


def _formula(document: DeploymentDocument, model_score: Score) -> Score:
    chosen = document.score
    if isinstance(chosen, TaskProduct):
        return ProductScore(weights=chosen.weights)
    return SumScore(weights=chosen.weights) if isinstance(chosen, TaskSum) else model_score
