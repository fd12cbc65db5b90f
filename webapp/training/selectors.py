"""Runs and their curves, what trainers published, and what has nobody working on it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, QuerySet, Value, Window
from django.db.models.functions import Mod, Now, RowNumber

from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.core.selectors import is_held
from webapp.registry.models import Model, ModelVersion
from webapp.training.models import JoinerProgress, Publish, Run, RunMetric

RUN_PARTS = ("model_version__model__project", "project", "start_from__model")


def runs_of(*, project: Project, model: Model | None = None) -> QuerySet[Run]:
    """Every run, or every run of the model, newest first. Its report, which is long, is read when it is asked for."""
    runs = Run.objects.filter(project=project).select_related(*RUN_PARTS).defer("report").order_by("-id")
    return runs if model is None else runs.filter(model_version__model=model)


def run_get(*, project: Project, run_id: int) -> Run:
    """Raises `NotFound`."""
    run = runs_of(project=project).filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def run_metrics(*, run: Run, after_id: int = 0, limit: int = 2000) -> list[RunMetric]:
    """Points with an id above `after_id`, oldest first; when there are more than `limit`, every nth, the newest always."""
    points = RunMetric.objects.filter(run=run, id__gt=after_id)
    stride = -(-points.count() // max(1, limit))
    if stride <= 1:
        return list(points.order_by("id"))
    from_newest = points.annotate(place=Window(RowNumber(), order_by=F("id").desc()))
    thinned = from_newest.annotate(remainder=Mod(F("place") - 1, Value(stride))).filter(remainder=0)
    return list(thinned.order_by("id"))


def versions_trained(*, project: Project) -> QuerySet[ModelVersion]:
    """Model versions that have a run, newest first."""
    trained = ModelVersion.objects.filter(model__project=project, runs__isnull=False).distinct()
    return trained.select_related("model").order_by("-pk")


def joiner_progress(*, project: Project) -> JoinerProgress | None:
    """What the joiner last reported; None before it did."""
    return JoinerProgress.objects.filter(project=project).first()


@dataclass(frozen=True, slots=True)
class RuleTally:
    """How many events or shown items a rule of the joiner was applied to."""

    what: str
    count: int
    rule: str


_JOINER_RULES = (
    ("num_positives", "Positive examples", "something was done about an item"),
    ("num_negatives", "Negative examples", "a window ended without it"),
    ("num_sampled_out", "Negatives left out", "by the schema's negative_sampling_rate, which the others carry"),
    ("num_early", "Early actions", "came before the impression they name, and waited for it"),
    ("num_early_joined", "… joined to it", "the others are orphans"),
    ("num_late", "Late actions", "came after their window, on an impression that was still known"),
    ("num_corrections", "… corrections", "positives that take the place of a negative; the others are orphans"),
    ("num_orphans", "Orphan actions", "no impression: positives with the features of their own moment"),
    ("num_duplicates", "Duplicates", "repeated events, actions and shown items; left out"),
    ("num_expired_early", "Let go too early", "shown items that had no room to wait until their window ended"),
    ("num_dated_ahead", "Dated ahead", "joined, and not counted in the schema's counters"),
)


@dataclass(frozen=True, slots=True)
class JoinerAccount:
    """What became of a project's events, and what waits for more: items, and their bytes in memory and on the disk."""

    tallies: list[RuleTally]
    num_pending: int
    num_spilled: int
    num_early: int
    memory_bytes: int
    spilled_bytes: int


def joiner_account(progress: JoinerProgress | None) -> JoinerAccount | None:
    """None before the joiner said so."""
    if progress is None or not progress.tallies:
        return None
    said = progress.tallies
    return JoinerAccount(
        [RuleTally(what, said.get(name, 0), rule) for name, what, rule in _JOINER_RULES],
        progress.num_pending,
        said["num_spilled"],
        said["num_waiting_early"],
        said["memory_bytes"],
        said["spilled_bytes"],
    )


@dataclass(frozen=True, slots=True)
class SourceAgreement:
    """Of a source's values that serving logged, how many were compared with what the log says, and the share that differed."""

    source: str
    num_compared: int
    share_differing: float


def feature_agreement(progress: JoinerProgress | None) -> list[SourceAgreement]:
    """By source, the ones that differ most first."""
    counts = {} if progress is None else progress.agreement
    agreements = [
        SourceAgreement(source, round(each["num_compared"]), each["num_differing"] / max(1.0, each["num_compared"]))
        for source, each in counts.items()
    ]
    return sorted(agreements, key=lambda one: (-one.share_differing, one.source))


def runs_to_revive() -> list[Run]:
    """Runs that are wanted and have not ended, that no worker holds, and that need not wait before they are tried again."""
    return list(
        _unheld_runs().filter(wanted=True).exclude(retry_at__gt=Now()).select_related(*RUN_PARTS).order_by("id")
    )


def runs_lost() -> list[Run]:
    """Runs that are wanted and whose worker has gone without a word."""
    lost = _unheld_runs().filter(wanted=True, state=Run.State.RUNNING)
    return list(lost.select_related(*RUN_PARTS).order_by("id"))


def run_was_well(*, run: Run) -> bool:
    """Whether the newest attempt had learned all that there was to learn: then it is no wonder that it got no further."""
    points = RunMetric.objects.filter(run=run, values__lag_records=0)
    return run.attempted_at is not None and points.filter(at__gte=run.attempted_at).exists()


def runs_to_end() -> QuerySet[Run]:
    """Runs nobody wants whose worker was lost before it could say that they have stopped."""
    return _unheld_runs().filter(wanted=False)


def _unheld_runs() -> QuerySet[Run]:
    return Run.objects.filter(state__in=(Run.State.QUEUED, Run.State.RUNNING)).exclude(
        is_held("trainer:", "model_version_id")
    )


def projects_learning_online() -> list[Project]:
    """Projects with an online run at work."""
    runs = Run.objects.filter(project=OuterRef("pk"), mode=Run.Mode.ONLINE, wanted=True, state=Run.State.RUNNING)
    return list(Project.objects.filter(Exists(runs)).order_by("id"))


def publishes_of(*, model_version: ModelVersion, limit: int = 100) -> QuerySet[Publish]:
    """The newest published deltas and snapshots, newest first."""
    return Publish.objects.filter(model_version=model_version).order_by("-id")[:limit]
