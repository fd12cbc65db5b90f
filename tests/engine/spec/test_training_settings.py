from __future__ import annotations

from typing import Any

import pytest

from engine.errors import InvalidDocument
from engine.spec.definition import ModelDefinition
from engine.spec.demo import demo_ranker, demo_retriever, demo_schema
from engine.spec.early_stopping import WatchedMetric
from engine.spec.schema import Schema
from engine.spec.training_settings import Training


def sliced_by(*sources: str) -> ModelDefinition:
    return ModelDefinition.parse({**demo_ranker(), "training": {"slices": list(sources)}})


def test_slices_are_declared_properties_of_one_word() -> None:
    schema = Schema.parse(demo_schema())
    sliced_by("event.device", "user.country", "item.topic").check_against(schema)
    with pytest.raises(InvalidDocument) as refused:
        sliced_by("event.device", "item.colour", "item.price", "item.sections").check_against(schema)
    assert [(problem.field, problem.rule) for problem in refused.value.problems] == [
        ("training.slices.1", "is not declared in the schema"),
        ("training.slices.2", "must be a string, an integer or a boolean"),
        ("training.slices.3", "must be a string, an integer or a boolean"),
    ]


@pytest.mark.parametrize("source", ["user.id", "item.id", "user.history", "event.time", "feature.x", "device"])
def test_ids_and_what_is_no_property_are_no_slices(source: str) -> None:
    with pytest.raises(InvalidDocument):
        sliced_by(source)


@pytest.mark.parametrize(
    "stopping", [{"fraction": 0}, {"fraction": 1}, {"patience": 0}, {"min_delta": -0.1}, {"metric": "luck"}], ids=str
)
def test_early_stopping_has_its_limits(stopping: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocument):
        Training.parse({"early_stopping": stopping})


@pytest.mark.parametrize("document", [demo_retriever(), {**demo_ranker(), "tasks": [{"loss": "pairwise"}]}])
def test_no_loss_is_watched_where_scores_only_order(document: dict[str, Any]) -> None:
    training = {"early_stopping": {"metric": "log_loss"}}
    with pytest.raises(InvalidDocument, match="another metric"):
        ModelDefinition.parse({**document, "training": training})
    assert ModelDefinition.parse({**demo_ranker(), "training": training}).scores_are_probabilities


SECONDS = {"kind": "regression", "name": "seconds", "event_type": "click", "property": "dwell_s"}
CLICK = {"name": "click", "event_type": "click"}


@pytest.mark.parametrize(
    ("tasks", "metric", "task", "name"),
    [
        ([CLICK], "auc", None, "auc"),
        ([CLICK], "auc", "click", "auc"),
        ([CLICK, SECONDS], "mae", "seconds", "tasks.seconds.mae"),
        ([CLICK, CLICK | {"name": "buy"}], "log_loss", "buy", "tasks.buy.log_loss"),
    ],
)
def test_a_metric_of_any_task_is_watched_by_its_name(
    tasks: list[Any], metric: str, task: str | None, name: str
) -> None:
    training = {"early_stopping": {"metric": metric, "task": task}}
    definition = ModelDefinition.parse({**demo_ranker(), "tasks": tasks, "training": training})
    assert definition.watched(WatchedMetric(metric), task) == name


@pytest.mark.parametrize(
    ("metric", "task"), [("mae", None), ("auc", "seconds"), ("log_loss", "seconds"), ("auc", "nobody")]
)
def test_a_metric_that_a_task_has_not_is_refused(metric: str, task: str | None) -> None:
    document = {**demo_ranker(), "tasks": [CLICK, SECONDS]}
    with pytest.raises(InvalidDocument, match="another metric"):
        ModelDefinition.parse({**document, "training": {"early_stopping": {"metric": metric, "task": task}}})


def test_online_steps_are_of_the_batch_size_unless_told() -> None:
    assert Training().size_online == Training().max_batch_size == 512
    own = Training.parse({"batch_size": 64, "online_batch_size": 128})
    assert (own.size_online, own.max_batch_size) == (128, 128)
