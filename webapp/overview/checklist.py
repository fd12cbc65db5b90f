"""From empty to live in seven steps. A step opens when those it builds on are done; until then it says what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from django.core.cache import cache

from engine.spec.schema import EventRole
from webapp.accounts.models import Project
from webapp.catalog import selectors as catalog
from webapp.core.navigation import address_of
from webapp.registry import selectors as registry
from webapp.serving import selectors as serving
from webapp.training import selectors as training
from webapp.training.models import Run

RECENT_EVENTS = 500
RUNS_LOOKED_AT = 50
REMEMBER_S = 7 * 86_400

SCHEMA, EVENTS, MODEL, TRAIN, DEPLOY, ASK, ONLINE = range(7)
NEEDS: dict[int, tuple[int, ...]] = {TRAIN: (EVENTS, MODEL), DEPLOY: (TRAIN,), ASK: (DEPLOY,), ONLINE: (TRAIN, DEPLOY)}
WORDS = {EVENTS: "events", MODEL: "a model", TRAIN: "a model that has learned", DEPLOY: "a deployment"}
"""What others wait for, as they say it."""

Links = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Step:
    """`links` are (words, address), the first the main one. `waits_for` is empty when the step can be taken."""

    name: str
    about: str
    links: Links
    is_done: bool
    is_next: bool = False
    waits_for: str = ""


@dataclass(frozen=True)
class Checklist:
    steps: list[Step]

    @property
    def num_done(self) -> int:
        return sum(step.is_done for step in self.steps)

    @property
    def is_done(self) -> bool:
        return self.num_done == len(self.steps)


def checklist_of(*, project: Project, num_events: int) -> Checklist:
    steps = _steps(project, num_events, lambda name, *more: address_of(name, project.slug, *more))
    return Checklist(_opened(steps))


def _opened(steps: list[Step]) -> list[Step]:
    """Each with what it waits for; the first that is neither done nor waits is the next."""
    opened: list[Step] = []
    for number, step in enumerate(steps):
        missing = [WORDS[need] for need in NEEDS.get(number, ()) if not steps[need].is_done]
        waits_for = "" if step.is_done else " and ".join(missing)
        is_next = not step.is_done and not waits_for and not any(before.is_next for before in opened)
        opened.append(replace(step, waits_for=waits_for, is_next=is_next))
    return opened


def _steps(project: Project, num_events: int, link: Callable[..., str]) -> list[Step]:
    schema = registry.schema_current(project=project)
    models = list(registry.models_of(project=project))
    runs = list(training.runs_of(project=project)[:RUNS_LOOKED_AT])
    deployments = list(serving.deployments_of(project=project))
    default = next((deployment for deployment in deployments if deployment.is_default), None)
    is_asked = bool(deployments) and _recommended(project)
    online = [run for run in runs if run.mode == Run.Mode.ONLINE and run.wanted]
    to_train = link("model", models[0].name) if models else link("models")
    return [
        Step(
            "Declare the schema",
            "What users, items and events carry. "
            + (
                "Version 1, which every project starts with."
                if schema.version == 1
                else f"Version {schema.version} is in force."
            ),
            (("Schema", link("schema")), ("Change it", link("schema_edit"))),
            schema.version > 1 or num_events > 0,
        ),
        Step(
            "Bring events",
            f"{_count(num_events, 'event')} accepted."
            if num_events
            else "Upload a file of what users did, or create a key and stream it.",
            (("Upload", link("imports")), ("Create a key", link("api_keys"))),
            num_events > 0,
        ),
        Step(
            "Define a model",
            f"{_count(len(models), 'model')}."
            if models
            else "A retrieval model finds items in the catalogue, a ranking model orders them.",
            (("Models", link("models")), ("New model", link("model_new"))),
            bool(models),
        ),
        Step(
            "Train it",
            _about_runs(runs),
            (("Runs", link("runs")),) if runs else (("Train", to_train),),
            any(run.num_examples for run in runs),
        ),
        Step(
            "Deploy it",
            f"{default.name} answers by default." if default else "Then replicas load it and answer requests.",
            (("Deployments", link("deployments")),),
            bool(deployments),
        ),
        Step("Ask for a recommendation", _about_asking(project, is_asked), (("Try it", link("try_it")),), is_asked),
        Step(
            "Keep learning online",
            f"{online[0].model_version} learns from the stream."
            if online
            else "An online run goes on from the stream, and publishes what it learned every second or so.",
            (("Parameter sync", link("sync")),) if online else (("Train online", to_train),),
            bool(online),
        ),
    ]


def _about_runs(runs: list[Run]) -> str:
    if not runs:
        return "A batch run learns from everything so far."
    num_working = sum(run.state == Run.State.RUNNING for run in runs)
    return f"{_count(len(runs), 'run')}, {num_working} at work."


def _about_asking(project: Project, is_asked: bool) -> str:
    if is_asked:
        return "Asked, and logged as an impression."
    roles = {declared.role for declared in registry.schema_document(project=project).events.values()}
    if EventRole.IMPRESSION not in roles:
        return "Answered requests are not logged: the schema declares no event type of role impression."
    return "From this console, or with POST /api/v1/recommend."


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
