"""Runs start and stop, and workers report: metrics, publishes, the joiner's progress."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from engine.spec.definition import ModelDefinition
from engine.spec.evolution import plan_evolution
from engine.spec.training_settings import OnChangedSlot
from webapp.accounts.models import Project
from webapp.audit.services import audit_record
from webapp.core import jobs
from webapp.core.errors import Conflict, Invalid
from webapp.core.rates import rates
from webapp.core.selectors import lease_holder
from webapp.registry.archiving import refuse_archived
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import source_types_of
from webapp.training.example_files import run_file
from webapp.training.metric_thinning import metrics_thin
from webapp.training.models import JoinerProgress, Publish, Run, RunMetric
from webapp.training.selectors import runs_to_end

JOB_OF_MODE = {Run.Mode.BATCH.value: jobs.Job.TRAIN_BATCH, Run.Mode.ONLINE.value: jobs.Job.TRAIN_ONLINE}
ENDED = (Run.State.STOPPED, Run.State.SUCCEEDED, Run.State.FAILED)
MAX_PUBLISHES_KEPT = 2_000

_JOINER_FIELDS = {field.name for field in JoinerProgress._meta.fields} - {"id", "project", "updated_at"}

_PRUNE = """
DELETE FROM {table} old USING (
    SELECT {owner} AS owner, id, row_number() OVER (PARTITION BY {owner} ORDER BY id DESC) AS place FROM {table}
) ranked
WHERE old.id = ranked.id AND ranked.place > %s
"""


def run_start(
    *,
    model_version: ModelVersion,
    mode: str,
    until_time: datetime | None = None,
    continues_online: bool = False,
    start_from: ModelVersion | None = None,
    input_file: str = "",
) -> Run:
    """Ask for training. Raises `Conflict` while another run of the same model version is wanted, `Invalid`.

    `continues_online`: when a batch run succeeds, an online run of the same model version goes on at its exact offset.
    `start_from`: begin with what another version of the model learned, and at the place it had reached, instead of with nothing.
    `input_file`: a batch run reads this file of examples. The job is sent after the commit; should Redis be away just then,
    `freshet.revive` sends it later.
    """
    if mode not in JOB_OF_MODE:
        raise Invalid.field("mode", f"must be one of {', '.join(JOB_OF_MODE)}", repr(mode))
    if until_time is not None and mode == Run.Mode.ONLINE:
        raise Invalid.field("until_time", "is for batch runs; an online run ends when it is stopped", str(until_time))
    if continues_online and mode == Run.Mode.ONLINE:
        raise Invalid.field("continues_online", "is for batch runs", "true")
    if start_from is not None:
        _check_start(model_version, start_from)
    if input_file:
        _check_file(input_file, mode=mode, start_from=start_from)
    with transaction.atomic():
        ModelVersion.objects.select_for_update().get(pk=model_version.pk)
        refuse_archived(model_version)
        at_work = Run.objects.filter(model_version=model_version, wanted=True).first()
        if at_work is not None:
            raise Conflict(
                f"Run {at_work.pk} ({at_work.mode}) already trains {model_version}; stop it first.", run=at_work.pk
            )
        run = Run.objects.create(
            project=model_version.model.project,
            model_version=model_version,
            mode=mode,
            until_time=until_time,
            continues_online=continues_online,
            start_from=start_from,
            input_file=input_file,
        )
        audit_record(
            project=run.project,
            action="run_start",
            target=f"run {run.pk}",
            details={"of": str(model_version), "mode": mode},
        )
        transaction.on_commit(lambda: jobs.send(JOB_OF_MODE[mode], run_id=run.pk), robust=True)
    return run


def _check_start(model_version: ModelVersion, start_from: ModelVersion) -> None:
    """Raises `Invalid` for no other version of the model, `InvalidDocument` where the definition refuses what changed."""
    if start_from.model_id != model_version.model_id or start_from.pk == model_version.pk:
        raise Invalid.field("start_from", f"must be another version of {model_version.model.name}", str(start_from))
    old, new = (ModelDefinition.parse(each.document) for each in (start_from, model_version))
    if new.training.on_changed_slot is OnChangedSlot.REFUSE:
        types = (source_types_of(version=each) for each in (start_from, model_version))
        plan_evolution(old, new, *types).refuse_changes(new)


def _check_file(name: str, *, mode: str, start_from: ModelVersion | None) -> None:
    run_file(name)
    if mode == Run.Mode.ONLINE:
        raise Invalid.field("input_file", "is for batch runs; an online run reads the project's examples", repr(name))
    if start_from is not None:
        raise Invalid.field("input_file", "cannot go with start_from, which goes on at a place of the log", repr(name))


def run_stop(*, run: Run) -> Run:
    """Ask for the end of a run. Its worker stops at its next look; with no worker on it, it is stopped now."""
    open_runs = Run.objects.filter(pk=run.pk).exclude(state__in=ENDED)
    with transaction.atomic():
        if open_runs.filter(wanted=True).update(wanted=False):
            audit_record(project=run.project, action="run_stop", target=f"run {run.pk}")
    if lease_holder(name=run.lease_name) is None:
        open_runs.update(state=Run.State.STOPPED, finished_at=Now())
    run.refresh_from_db()
    return run


def run_started(*, run: Run, start_offsets: Mapping[int, int] | None = None) -> None:
    """A worker has taken the run up; every time after the first counts as a restart."""
    restarts = Run.objects.filter(pk=run.pk, started_at__isnull=False)
    restarts.update(num_restarts=F("num_restarts") + 1)
    values: dict[str, Any] = {
        "state": Run.State.RUNNING,
        "started_at": Coalesce("started_at", Now()),
        "attempted_at": Now(),
        "retry_at": None,
        "error": "",
    }
    if start_offsets is not None:
        values["start_offsets"] = _offsets(start_offsets)
    Run.objects.filter(pk=run.pk).update(**values)
    run.refresh_from_db()


def run_report(
    *,
    run: Run,
    values: Mapping[str, Any],
    num_examples: int,
    event_time: datetime | None,
    progress: float | None = None,
    end_offsets: Mapping[int, int] | None = None,
) -> bool:
    """Add a point to the run's curves and keep it as the latest. Answers whether the run is still wanted.

    A metric that is not finite is kept as null: JSON has no word for it.
    """
    kept = finite_document(dict(values))
    latest = {name: value for name, value in kept.items() if name != "slices"}
    changes: dict[str, Any] = {"latest": latest, "num_examples": num_examples}
    if progress is not None:
        changes["progress"] = min(max(progress, 0.0), 1.0)
    if end_offsets is not None:
        changes["end_offsets"] = _offsets(end_offsets)
    with transaction.atomic():
        RunMetric.objects.create(run=run, num_examples=num_examples, event_time=event_time, values=kept)
        Run.objects.filter(pk=run.pk).update(**changes)
    if (lag := latest.get("lag_records")) is not None:
        rates().level(run.project.slug, f"lag.run.{run.pk}", lag)
    return Run.objects.filter(pk=run.pk, wanted=True).exists()


def run_note_report(*, run: Run, report: Mapping[str, Any]) -> None:
    """Keep the newest report; parts that it does not have stay as they are. A run has one worker, so that nobody else writes."""
    before = Run.objects.filter(pk=run.pk).values_list("report", flat=True).first() or {}
    Run.objects.filter(pk=run.pk).update(report=before | finite_document(dict(report)), reported_at=Now())


def run_finished(*, run: Run, state: str, error: str = "") -> None:
    """The run ended as `state` (stopped, succeeded or failed) and is wanted no more. Raises `Invalid` for another state.

    A batch run that succeeds and is to continue online has its online run queued in the same transaction.
    """
    if state not in ENDED:
        raise Invalid.field("state", f"must be one of {', '.join(ENDED)}", repr(str(state)))
    changes: dict[str, Any] = {"state": state, "wanted": False, "error": error, "finished_at": Now()}
    if state == Run.State.SUCCEEDED:
        changes["progress"] = 1.0
    with transaction.atomic():
        Run.objects.filter(pk=run.pk).update(**changes)
        if state == Run.State.SUCCEEDED and run.continues_online:
            run_start(model_version=run.model_version, mode=Run.Mode.ONLINE)
    run.refresh_from_db()


def runs_end_unwanted() -> int:
    """Runs that were to stop and whose worker was lost meanwhile are stopped now; answers how many."""
    return runs_to_end().update(state=Run.State.STOPPED, finished_at=Now())


def publish_record(
    *,
    model_version: ModelVersion,
    kind: str,
    sequence: int,
    num_rows: int,
    num_deletes: int,
    num_bytes: int,
    event_time: datetime | None,
) -> Publish:
    """Note a delta or snapshot that the trainer put into the log."""
    return Publish.objects.create(
        model_version=model_version,
        kind=kind,
        sequence=sequence,
        num_rows=num_rows,
        num_deletes=num_deletes,
        num_bytes=num_bytes,
        event_time=event_time,
    )


def joiner_report(*, project: Project, **counters: Any) -> None:
    """Keep the joiner's counters, by the names of `JoinerProgress`'s fields. Raises `Invalid` for a name it has not."""
    unknown = counters.keys() - _JOINER_FIELDS
    if unknown:
        raise Invalid.field(sorted(unknown)[0], f"must be one of {', '.join(sorted(_JOINER_FIELDS))}", "")
    if "events_offsets" in counters:
        counters["events_offsets"] = _offsets(counters["events_offsets"])
    JoinerProgress.objects.update_or_create(project=project, defaults=counters)
    if "lag_records" in counters:
        rates().level(project.slug, "lag.joiner", counters["lag_records"])


def training_prune() -> None:
    """Forget all but each model version's newest publishes, and thin the curves of long runs."""
    with connection.cursor() as cursor:
        cursor.execute(_PRUNE.format(table="training_publish", owner="model_version_id"), [MAX_PUBLISHES_KEPT])
    metrics_thin()


def finite_document(value: Any) -> Any:
    """A JSON document with null in place of every number that is not finite."""
    if isinstance(value, dict):
        return {name: finite_document(member) for name, member in value.items()}
    if isinstance(value, list):
        return [finite_document(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _offsets(offsets: Mapping[Any, int]) -> dict[str, int]:
    return {str(partition): int(offset) for partition, offset in offsets.items()}
