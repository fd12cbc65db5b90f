"""Searches start and stop, workers note their trials, and a trial becomes a model version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from engine.errors import InvalidDocument, Problem
from engine.spec.definition import ModelDefinition
from engine.spec.schema import Schema
from engine.spec.search import Choice, SearchSettings, with_values
from webapp.accounts.models import Account
from webapp.audit.services import audit_record
from webapp.core.errors import Conflict
from webapp.long_jobs.services import long_job_send, long_job_started, long_job_stop
from webapp.registry.archiving import refuse_archived
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import schema_current
from webapp.registry.services import model_publish
from webapp.training.example_files import example_file
from webapp.training.search_models import Search, Trial
from webapp.training.services import finite_document


def search_start(*, model_version: ModelVersion, settings: object) -> Search:
    """Ask for a search. Raises `InvalidDocument` for settings that no trial could follow, `Conflict` while another is at work."""
    parsed = SearchSettings.parse(settings, "search")
    _check(model_version, parsed)
    with transaction.atomic():
        ModelVersion.objects.select_for_update().get(pk=model_version.pk)
        refuse_archived(model_version)
        at_work = Search.objects.filter(model_version__model=model_version.model, wanted=True).first()
        if at_work is not None:
            raise Conflict(
                f"Search {at_work.pk} already varies {model_version.model.name}; stop it first.", search=at_work.pk
            )
        search = Search.objects.create(
            project=model_version.model.project, model_version=model_version, settings=parsed.as_json()
        )
        audit_record(
            project=search.project,
            action="search_start",
            target=str(search),
            details={"of": str(model_version)},
        )
        long_job_send(job=search)
    return search


def _check(model_version: ModelVersion, settings: SearchSettings) -> None:
    """Each varied place is one of the definition, and takes the ends of its range or each of its choices by itself."""
    base = ModelDefinition.parse(model_version.document)
    try:
        base.watched(settings.metric, settings.task)
    except ValueError as error:
        raise InvalidDocument("search", [Problem("metric", str(error), settings.metric.value)]) from error
    if settings.input_file:
        example_file(settings.input_file)
    schema = Schema.parse(schema_current(project=model_version.model.project).document, "schema")
    problems: list[Problem] = []
    for index, varied in enumerate(settings.varies):
        values = varied.values if isinstance(varied, Choice) else [varied.low, varied.high]
        for value in values:
            number = int(value) if not isinstance(varied, Choice) and varied.is_whole else value
            try:
                changed = with_values(model_version.document, {varied.path: number})
                ModelDefinition.parse(changed, "definition").check_against(schema)
            except InvalidDocument as error:
                problems += [
                    Problem(f"varies.{index}", f"{one.field}: {one.rule}", repr(number)[:80]) for one in error.problems
                ]
                break
    if problems:
        raise InvalidDocument("search", problems)


def search_stop(*, search: Search) -> Search:
    """As `long_job_stop`."""
    return long_job_stop(job=search)


def search_started(*, search: Search, plan: Mapping[str, Any]) -> None:
    """A worker has taken it up. The plan of the first attempt stays."""
    long_job_started(job=search, plan=search.plan or dict(plan))


def trial_begin(*, search: Search, number: int, params: Mapping[str, Any]) -> Trial:
    """Note that a trial is at work. One of the same number was interrupted, and begins anew."""
    Trial.objects.filter(search=search, number=number).delete()
    return Trial.objects.create(search=search, number=number, params=dict(params))


def trial_note_rung(*, trial: Trial, rung: int, value: float | None) -> None:
    """Keep the metric of a trial on its way."""
    if value is not None:
        trial.rungs[str(rung)] = value
        Trial.objects.filter(pk=trial.pk).update(rungs=finite_document(trial.rungs))


def trial_finished(
    *,
    trial: Trial,
    state: str,
    value: float | None = None,
    error: str = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """What became of it; a value that is not finite is none."""
    Trial.objects.filter(pk=trial.pk).update(
        state=state,
        value=finite_document(value),
        error=error,
        details=finite_document(dict(details or {})),
        finished_at=Now(),
    )
    trial.refresh_from_db()


def trial_publish(*, trial: Trial, account: Account | None = None) -> ModelVersion:
    """The definition that the trial tried, as a new version of its model. Raises as `model_publish`, `Conflict` for a failed trial."""
    search = trial.search
    if trial.state != Trial.State.COMPLETE:
        raise Conflict(f"Trial {trial.number} is {trial.state}; only a complete one can become a version.")
    base = search.model_version
    metric, value = search.settings["metric"], "none" if trial.value is None else f"{trial.value:.4g}"
    return model_publish(
        project=search.project,
        name=base.model.name,
        document=with_values(base.document, trial.params),
        note=f"search {search.pk}, trial {trial.number}: {metric} {value}",
        account=account,
    )
