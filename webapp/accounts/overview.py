"""What a project's overview says: the way from empty to live, and where it stands now."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.cache import cache
from django.urls import reverse

from engine.errors import UnknownTopic
from engine.spec.schema import EventRole
from engine.streams import topics
from webapp.accounts.models import Project
from webapp.catalog import selectors as catalog
from webapp.core.log import event_log
from webapp.registry import selectors as registry
from webapp.serving import selectors as serving
from webapp.training import selectors as training
from webapp.training.models import JoinerProgress

RECENT_EVENTS = 500
REMEMBER_S = 7 * 86_400


@dataclass(frozen=True)
class Step:
    """One step of the checklist. `is_next` marks the first that is not done."""

    name: str
    about: str
    url: str
    action: str
    done: bool
    is_next: bool = False


@dataclass(frozen=True)
class Overview:
    steps: list[Step]
    num_done: int
    num_events: int
    num_examples: int
    num_live_replicas: int
    age_s: float | None
    lag_records: int | None


def overview_of(*, project: Project) -> Overview:
    """The checklist and the strip of numbers. `age_s` is the oldest parameters any live replica answers with."""
    progress = training.joiner_progress(project=project)
    num_events = events_appended(project=project, progress=progress)
    steps = _in_order(_steps(project, num_events))
    return Overview(
        steps=steps,
        num_done=sum(step.done for step in steps),
        num_events=num_events,
        num_examples=progress.num_examples if progress else 0,
        num_live_replicas=serving.replicas_alive().count(),
        age_s=serving.oldest_age_s(project=project),
        lag_records=progress.lag_records if progress else None,
    )


def events_appended(*, project: Project, progress: JoinerProgress | None) -> int:
    """Those that the joiner has taken, which are no canaries, and all that lies behind them in the topic."""
    try:
        ends = event_log().end_offsets(topics.events(project.slug))
    except UnknownTopic:
        return 0
    if progress is None:
        return sum(ends.values())
    unread = (end - int(progress.events_offsets.get(str(partition), 0)) for partition, end in ends.items())
    return progress.num_events + sum(max(0, one) for one in unread)


def _steps(project: Project, num_events: int) -> list[Step]:
    def link(name: str) -> str:
        return reverse(name, args=[project.slug])

    schema = registry.schema_current(project=project)
    num_models = len(registry.models_of(project=project))
    runs = list(training.runs_of(project=project)[:50])
    working = [run for run in runs if run.state == run.State.RUNNING]
    deployments = list(serving.deployments_of(project=project))
    default = next((deployment for deployment in deployments if deployment.is_default), None)
    return [
        Step(
            "Declare the schema",
            f"Version {schema.version}" + (", the one every project starts with" if schema.version == 1 else ""),
            link("schema"),
            "Schema",
            schema.version > 1 or num_events > 0,
        ),
        Step(
            "Bring events", _count(num_events, "event") + " accepted", link("events_upload"), "Upload", num_events > 0
        ),
        Step("Define a model", _count(num_models, "model"), link("models"), "Models", num_models > 0),
        Step(
            "Train it",
            f"{_count(len(runs), 'run')}, {len(working)} at work",
            link("runs") if runs else link("models"),
            "Runs",
            any(run.num_examples for run in runs),
        ),
        Step(
            "Deploy it",
            f"{default.name} answers by default" if default else "Nothing is deployed",
            link("deployments"),
            "Deployments",
            bool(deployments),
        ),
        Step(
            "Ask for a recommendation",
            _about_recommending(project),
            link("try_it"),
            "Try it",
            _recommended(project),
        ),
    ]


def _in_order(steps: list[Step]) -> list[Step]:
    first = next((step.name for step in steps if not step.done), None)
    return [Step(step.name, step.about, step.url, step.action, step.done, is_next=step.name == first) for step in steps]


def _about_recommending(project: Project) -> str:
    if _recommended(project):
        return "Asked, and logged as an impression"
    roles = {declared.role for declared in registry.schema_document(project=project).events.values()}
    if EventRole.IMPRESSION not in roles:
        return "Answered requests are not logged: the schema declares no event type of role impression"
    return "None has been asked for"


def _recommended(project: Project) -> bool:
    """Whether the end of the log shows an answered request; remembered once seen, for the log's end moves on."""
    key = f"overview:recommended:{project.pk}"
    if cache.get(key):
        return True
    seen = any(event.recommendation_id for event in catalog.recent_events(project=project, limit=RECENT_EVENTS))
    if seen:
        cache.set(key, True, REMEMBER_S)
    return seen


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
