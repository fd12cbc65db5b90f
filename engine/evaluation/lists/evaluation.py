"""Baselines and Freshet's own models on one task of lists, in one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from engine.evaluation.findings import Findings
from engine.evaluation.intervals import Estimate, mean_of
from engine.evaluation.lists.definitions import default_definition
from engine.evaluation.lists.measuring import measure
from engine.evaluation.lists.plan import POPULAR, ListPlan, Values
from engine.evaluation.lists.recommenders import CoOccurrence, Factorisation, MostPopular, Recommender
from engine.evaluation.lists.task import ListTask
from engine.evaluation.lists.trained import Trained
from engine.spec.definition import ModelDefinition

Progress = Callable[[str, int, int], None]


def evaluate_lists(task: ListTask, plan: ListPlan, on_progress: Progress = lambda *_: None) -> Findings:
    """Each contestant's metrics with intervals over users; of several seeds the mean of a user's values, and the deviation of the means."""
    findings = Findings("Lists for users, learned from training clicks and measured on others")
    for name, runs in _contestants(task, plan, on_progress):
        try:
            measured = [
                (values, recommender)
                for recommender in runs
                for values in [measure(task, recommender, plan.metrics, _bar(on_progress, f"{name}, lists", task))]
            ]
        except _NoTimes:
            findings.missing[name] = "needs times"
            continue
        figures: dict[str, Estimate | float | int | str | None] = {**_estimates([each for each, _ in measured], plan)}
        epochs = [each.num_epochs for _, each in measured if isinstance(each, Trained)]
        if epochs:
            figures["epochs"] = "/".join(map(str, epochs))
        findings.add(name, figures)
    best = max(findings.rows, key=lambda row: _value(row.figures[_first(plan)])) if findings.rows else None
    findings.values |= {
        "num_train_clicks": len(task.train),
        "num_users": task.num_users,
        "num_items": task.num_items,
        "num_tested_users": int(task.users.size),
        "num_sought": int(task.items.size),
        "num_negatives": 0 if task.negatives is None else int(task.negatives.shape[1]),
        "seeds": list(plan.seeds),
        "best": best.name if best else None,
    }
    return findings


class _NoTimes(Exception):
    """A contestant needs the times of clicks that have none."""


def _contestants(task: ListTask, plan: ListPlan, on_progress: Progress) -> Iterator[tuple[str, Iterator[Recommender]]]:
    for name in plan.baselines:
        yield name, _baseline(task, name, plan)
    for kind in plan.models:
        definitions = [default_definition(kind, len(task.train), seed) for seed in plan.seeds]
        yield f"freshet {kind}", _trained(task, kind, definitions, plan, on_progress)
    if plan.definition is not None:
        definitions = [
            plan.definition.model_copy(update={"training": plan.definition.training.model_copy(update={"seed": seed})})
            for seed in plan.seeds
        ]
        yield "freshet definition", _trained(task, "definition", definitions, plan, on_progress)


def _baseline(task: ListTask, name: str, plan: ListPlan) -> Iterator[Recommender]:
    if name in POPULAR:
        if POPULAR[name] is not None and task.train.times_ms is None:
            raise _NoTimes
        yield MostPopular(task, POPULAR[name])
    elif name == "co-occurrence":
        yield CoOccurrence(task)
    else:
        for seed in plan.seeds:
            yield Factorisation(task, name, seed)


def _trained(
    task: ListTask, name: str, definitions: Sequence[ModelDefinition], plan: ListPlan, on_progress: Progress
) -> Iterator[Recommender]:
    for definition in definitions:
        label = f"{name}, seed {definition.training.seed}"
        yield Trained(task, definition, plan.schedule, _named(on_progress, label))


def _named(on_progress: Progress, label: str) -> Callable[[int, int], None]:
    return lambda num, total: on_progress(label, num, total)


def _bar(on_progress: Progress, name: str, task: ListTask) -> Callable[[int], None]:
    return lambda num: on_progress(name, num, int(task.users.size))


def _estimates(runs: Sequence[Values], plan: ListPlan) -> dict[str, Estimate | float]:
    """The interval over users of the mean over runs; with several runs `<metric>_sd`, of the runs' own means."""
    figures: dict[str, Estimate | float] = {}
    for name in runs[0]:
        values = np.stack([run[name] for run in runs])
        figures[name] = mean_of(values.mean(axis=0), seed=plan.seeds[0])
        if len(runs) > 1:
            figures[f"{name}_sd"] = float(values.mean(axis=1).std(ddof=1))
    return figures


def _first(plan: ListPlan) -> str:
    return f"{plan.metrics.kinds[-1]}_at_{plan.metrics.lengths[0]}"


def _value(figure: object) -> float:
    return figure.value if isinstance(figure, Estimate) else 0.0
