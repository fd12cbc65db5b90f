"""The parts of a receipt as they are when an erasure is ordered: what PostgreSQL itself held, who will be asked, and what stays."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from webapp import environment
from webapp.accounts.models import Project
from webapp.batches.models import Batch
from webapp.erasure.models import Erasure, Part, Place
from webapp.registry.models import ModelVersion
from webapp.serving.models import Deployment, Replica
from webapp.serving.selectors import replicas_alive
from webapp.training.models import Run

_STAY_LEARNED: Final = (
    "Dense weights, and embedding rows of values that many share (a country, a category), were learned from everybody together: no one's "
    "share can be taken out of them. Training a version anew, after the log has forgotten, learns without."
)
_STAY_RECORDS: Final = (
    "This receipt and the audit log keep the id, to show the deletion. The order itself is in the event log."
)
_STAY_LOG: Final = (
    "Events and examples that name it are not rewritten: readers go by their offsets. They are deleted {when}. What is read of them "
    "again comes to the order too, and forgets again. Digests of event ids, kept {ids_days} days, name nobody."
)
_STAY_RESULTS: Final = (
    "{num} finished batch {files} may name it, until somebody deletes {them}; so may files that were exported."
)

# By the text of the id as JSON has it, in a table of at most 10,000 rows of a project.
_REFUSED: Final = {
    "rejected_rows": "DELETE FROM catalog_rejectedrow WHERE project_id = %s AND position(%s IN row::text) > 0",
    "dead_events": "DELETE FROM catalog_deadevent WHERE project_id = %s AND (position(%s IN value) > 0 OR key = %s)",
}


def create(erasure: Erasure, num_rows: int) -> None:
    """Erase what is in PostgreSQL, and write the parts. Within the transaction of the order."""
    now = timezone.now()
    parts = [
        _part(erasure, Place.CATALOGUE, "", Part.State.DONE, counts={"rows": num_rows}),
        _part(erasure, Place.REFUSED, "", Part.State.DONE, counts=_refused_erased(erasure)),
        _part(erasure, Place.REPORTS, "", Part.State.DONE, counts={"names": _names_erased(erasure)}),
        _part(erasure, Place.JOINER, "", Part.State.PENDING),
        *_trainers(erasure),
        *[_part(erasure, Place.REPLICA, one.name, Part.State.PENDING) for one in _replicas(erasure.project)],
        _part(erasure, Place.FOLDERS, "", Part.State.PENDING, note="not looked at yet"),
        _log_part(erasure, now),
        *_results(erasure),
        _part(erasure, Place.LEARNED, "", Part.State.STAYS, note=_STAY_LEARNED),
        _part(erasure, Place.RECORDS, "", Part.State.STAYS, note=_STAY_RECORDS),
    ]
    Part.objects.bulk_create(parts)


def _part(erasure: Erasure, place: Place, name: str, state: str, **values: Any) -> Part:
    counts = values.pop("counts", None)
    return Part(
        erasure=erasure, place=place, name=name, state=state, counts={} if counts is None else {"": counts}, **values
    )


def _replicas(project: Project) -> list[Replica]:
    """Every living one serves whatever is deployed."""
    if not Deployment.objects.filter(project=project, is_active=True).exists():
        return []
    return list(replicas_alive().order_by("name"))


def _trainers(erasure: Erasure) -> list[Part]:
    """One for each version that was ever trained. Where nobody trains online now, its rows stay until somebody does."""
    versions = ModelVersion.objects.filter(model__project=erasure.project, runs__isnull=False).distinct()
    online = set(
        Run.objects.filter(
            project=erasure.project, mode=Run.Mode.ONLINE, wanted=True, state__in=(Run.State.QUEUED, Run.State.RUNNING)
        ).values_list("model_version_id", flat=True)
    )
    parts = []
    for version in versions.select_related("model").order_by("model__name", "version"):
        if version.pk in online:
            parts.append(_part(erasure, Place.TRAINER, str(version), Part.State.PENDING))
        else:
            note = "Nobody trains it online now. Its rows stay in its checkpoints, snapshots and replicas; the next run that goes on "
            note += "online from where it stopped comes to the order, and forgets."
            parts.append(_part(erasure, Place.TRAINER, str(version), Part.State.STAYS, note=note))
    return parts


def _refused_erased(erasure: Erasure) -> dict[str, int]:
    text = json.dumps(erasure.entity_id, ensure_ascii=False)
    counts: dict[str, int] = {}
    with connection.cursor() as cursor:
        for name, statement in _REFUSED.items():
            values: list[int | str] = [erasure.project_id, text]
            if name == "dead_events":
                values.append(erasure.entity_id)
            cursor.execute(statement, values)
            counts[name] = cursor.rowcount
    return counts


def _names_erased(erasure: Erasure) -> int:
    """Reports name the ids that a slot meets most often."""
    num = 0
    for run in Run.objects.filter(project=erasure.project).exclude(report={}).only("pk", "report"):
        if (found := _without(run.report, erasure.entity_id)) > 0:
            run.save(update_fields=["report"])
            num += found
    return num


def _without(document: Any, entity_id: str) -> int:
    """Take the id out of every {"fid", "id"} in the document; answers how many had it."""
    if isinstance(document, dict):
        num = sum(_without(value, entity_id) for value in document.values())
        if "fid" in document and document.get("id") == entity_id:
            document["id"] = None
            num += 1
        return num
    return sum(_without(value, entity_id) for value in document) if isinstance(document, list) else 0


def _log_part(erasure: Erasure, now: Any) -> Part:
    days = environment.integer("FRESHET_LOG_DAYS", 30)
    when = f"{days} days after their receipt, by FRESHET_LOG_DAYS" if days > 0 else "never, for FRESHET_LOG_DAYS is 0"
    note = _STAY_LOG.format(when=when, ids_days=environment.integer("FRESHET_EVENT_ID_DAYS", 7))
    until = now + timedelta(days=days) if days > 0 else None
    return _part(erasure, Place.LOG, "", Part.State.STAYS, note=note, until=until)


def _results(erasure: Erasure) -> list[Part]:
    num = Batch.objects.filter(project=erasure.project, num_bytes__gt=0).count()
    if not num:
        return []
    note = _STAY_RESULTS.format(num=num, files="file" if num == 1 else "files", them="it" if num == 1 else "them")
    return [_part(erasure, Place.RESULTS, "", Part.State.STAYS, note=note)]
