"""What changed lately in a project: what people did, and what came of it, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from textwrap import shorten

from django.db.models import OuterRef, Subquery

from webapp.accounts.models import ApiKey, Project
from webapp.audit.models import AuditEntry
from webapp.catalog.models import Import
from webapp.core.navigation import address_of
from webapp.registry.models import ModelVersion, SchemaVersion
from webapp.serving.models import DeploymentRevision
from webapp.tracing.models import Resync
from webapp.training.models import Publish, Run

NUM_SHOWN = 12
NUM_OF_A_KIND = 10
VERSIONS_LOOKED_AT = 50
LONGEST = 160

TOLD_BY_THEMSELVES = (
    "schema_", "model_publish", "deployment_", "api_key_", "run_start", "run_stop", "import_start", "project_create",
)  # fmt: skip
"""Acts that leave a row of their own, which says more than the audit log's entry."""

Link = Callable[..., str]


@dataclass(frozen=True)
class Change:
    """`what` at `at`; `about` more of it, `by` who did it, `url` where it is."""

    at: datetime
    kind: str
    what: str
    about: str = ""
    by: str = ""
    url: str = ""


def changes_of(*, project: Project, limit: int = NUM_SHOWN) -> list[Change]:
    """The newest of every kind, in one order."""

    def link(name: str, *more: object) -> str:
        return address_of(name, project.slug, *more)

    found = chain.from_iterable(of_kind(project, link) for of_kind in KINDS)
    return sorted(found, key=lambda change: change.at, reverse=True)[:limit]


def _schemas(project: Project, link: Link) -> Iterator[Change]:
    versions = SchemaVersion.objects.filter(project=project).select_related("created_by").defer("document")
    for one in versions.order_by("-version")[:NUM_OF_A_KIND]:
        by = one.created_by.get_username() if one.created_by else ""
        url = link("schema_version", one.version)
        yield Change(one.created_at, "schema", f"Schema version {one.version}", one.note, by, url)


def _models(project: Project, link: Link) -> Iterator[Change]:
    versions = ModelVersion.objects.filter(model__project=project).select_related("model", "created_by")
    for one in versions.defer("document").order_by("-pk")[:NUM_OF_A_KIND]:
        by = one.created_by.get_username() if one.created_by else ""
        yield Change(one.created_at, "model", f"{one} was defined", one.note, by, link("model", one.model.name))


def _runs(project: Project, link: Link) -> Iterator[Change]:
    runs = Run.objects.filter(project=project).select_related("model_version__model").defer("report", "latest")
    for run in runs.order_by("-pk")[:NUM_OF_A_KIND]:
        name, url = f"{run.mode.capitalize()} run {run.pk} of {run.model_version}", link("run", run.pk)
        if run.finished_at:
            about = shorten(run.error, LONGEST, placeholder="…") or f"{run.num_examples:,} examples"
            yield Change(run.finished_at, "run", f"{name} {ENDS.get(run.state, run.state)}", about, url=url)
        if run.started_at:
            yield Change(run.started_at, "run", f"{name} started", url=url)


ENDS: dict[str, str] = {Run.State.SUCCEEDED: "ended well", Run.State.FAILED: "failed", Run.State.STOPPED: "was stopped"}


def _publishes(project: Project, link: Link) -> Iterator[Change]:
    """The newest publish of each version: they come every second, and one line says it."""
    newest = Publish.objects.filter(model_version=OuterRef("pk")).order_by("-id").values("pk")[:1]
    versions = ModelVersion.objects.filter(model__project=project).order_by("-pk")[:VERSIONS_LOOKED_AT]
    ids = [one for one in versions.annotate(newest=Subquery(newest)).values_list("newest", flat=True) if one]
    for one in Publish.objects.filter(pk__in=ids).select_related("model_version__model"):
        version = one.model_version
        about = f"{one.num_rows:,} rows{CARRIED.get(one.kind, '')}"
        url = link("sync_model", version.model.name, version.version)
        yield Change(one.published_at, "publish", f"{version} published sequence {one.sequence:,}", about, url=url)


CARRIED = {"dense": " and the dense weights", "snapshot": ", a snapshot"}


def _deployments(project: Project, link: Link) -> Iterator[Change]:
    revisions = DeploymentRevision.objects.filter(deployment__project=project).select_related("deployment")
    for one in revisions.defer("document").order_by("-pk")[:NUM_OF_A_KIND]:
        name = one.deployment.name
        what = f"{name} was deployed" if one.number == 1 else f"{name} became revision {one.number}"
        yield Change(one.created_at, "deployment", what, one.note, one.created_by, link("deployment", name))


def _imports(project: Project, link: Link) -> Iterator[Change]:
    ended = Import.objects.filter(project=project, finished_at__isnull=False).select_related("created_by")
    for one in ended.order_by("-pk")[:NUM_OF_A_KIND]:
        assert one.finished_at is not None
        about = f"{one.num_accepted:,} accepted, {one.num_rejected:,} refused"
        by = one.created_by.get_username() if one.created_by else ""
        what = f"Import of {one.file_name} {one.state}"
        yield Change(one.finished_at, "import", what, about, by, link("import", one.pk))


def _keys(project: Project, link: Link) -> Iterator[Change]:
    for key in ApiKey.objects.filter(project=project).order_by("-pk")[:NUM_OF_A_KIND]:
        yield Change(key.created_at, "key", f"Key {key.name} was made", ", ".join(key.scopes), url=link("api_keys"))
        if key.revoked_at:
            yield Change(key.revoked_at, "key", f"Key {key.name} was revoked", url=link("api_keys"))


def _resyncs(project: Project, link: Link) -> Iterator[Change]:
    rows = Resync.objects.filter(model_version__model__project=project).select_related("model_version__model")
    for one in rows.order_by("-pk")[:NUM_OF_A_KIND]:
        version = one.model_version
        url = link("sync_model", version.model.name, version.version)
        what = f"{one.replica} loaded a snapshot of {version}"
        yield Change(one.at, "resync", what, one.cause.replace("_", " "), url=url)


def _acts(project: Project, link: Link) -> Iterator[Change]:
    entries = AuditEntry.objects.filter(project=project).exclude(actor_kind="system").order_by("-at", "-id")
    for one in entries[: 3 * NUM_OF_A_KIND]:
        if not one.action.startswith(TOLD_BY_THEMSELVES):
            verb = one.action.rpartition("_")[2]
            what = f"{one.target}: {DONE.get(verb, one.action.replace('_', ' '))}"
            yield Change(one.at, "act", what, by=one.actor_name, url=link("audit"))


DONE = {
    "add": "added", "change": "changed", "create": "made", "delete": "deleted", "erase": "erased", "hide": "hidden", "put": "changed",
    "remove": "removed", "rotate": "rotated", "save": "changed", "silence": "silenced", "stop": "stopped", "update": "changed",
}  # fmt: skip


KINDS = (_schemas, _models, _runs, _publishes, _deployments, _imports, _keys, _resyncs, _acts)
