"""The demo project: what it is made of, made once. Its users, items and events are generated, and the console says so."""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.evaluation.generated_stream import GeneratedWorld
from engine.spec.demo import demo_ranker, demo_retriever, demo_schema
from webapp.accounts.models import Account, ApiKey, Membership, Project, Scope
from webapp.accounts.services import account_create, api_key_create, project_create
from webapp.catalog.services import events_ingest, items_put, users_put
from webapp.registry.services import model_publish, schema_publish
from webapp.serving.models import Deployment
from webapp.serving.services import deployment_put
from webapp.training.models import Run
from webapp.training.services import run_start

SLUG = "demo"
USERNAME = "demo"
KEY_NAME = "demo"
SEED = 17
NUM_EVENTS = 6_000
ROWS_PER_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Credentials:
    """Shown once: the database keeps hashes. `user_id` is somebody to ask recommendations for."""

    username: str
    password: str
    api_key: str = ""
    project: str = ""
    user_id: str = "user-0"


def world() -> GeneratedWorld:
    """The same world at every start."""
    return GeneratedWorld(seed=SEED)


def demo_project() -> Project | None:
    return Project.objects.filter(slug=SLUG, is_generated=True).first()


def create(say: Callable[[str], None] = lambda _: None) -> Credentials | None:
    """Make the demo when there is no project at all, or finish it when its making was cut short; None otherwise.

    The key comes last, so a demo without one is unfinished. Raises what the services raise.
    """
    project = demo_project()
    if project is None and Project.objects.exists():
        return None
    if project is not None and ApiKey.objects.filter(project=project, name=KEY_NAME).exists():
        return None
    password = _new_password()
    account = _account(password)
    if project is None:
        project = project_create(slug=SLUG, name="Demo", account=account, is_generated=True)
    Membership.objects.get_or_create(account=account, project=project)
    _fill(project, say)
    _, secret = api_key_create(project=project, name=KEY_NAME, scopes=Scope.values)
    return Credentials(account.username, password, secret, project.slug)


def create_account() -> Credentials | None:
    """An account to sign in with when there is none at all: without the demo somebody has to make the first project."""
    if Account.objects.exists():
        return None
    password = _new_password()
    return Credentials(account_create(username=USERNAME, password=password).username, password)


def _new_password() -> str:
    return os.environ.get("FRESHET_DEMO_PASSWORD", "") or secrets.token_urlsafe(12)


def _account(password: str) -> Account:
    account = Account.objects.filter(username=USERNAME).first()
    if account is None:
        return account_create(username=USERNAME, password=password)
    # only an unfinished demo comes here: nobody was told the first password
    account.set_password(password)
    account.save(update_fields=["password"])
    return account


def _fill(project: Project, say: Callable[[str], None]) -> None:
    schema_publish(project=project, document=demo_schema(), note="the generated world's")
    generated = world()
    say(f"{generated.num_items:,} items and {generated.num_users:,} users")
    for rows in _batches(generated.items()):
        items_put(project=project, rows=rows)
    for rows in _batches(generated.users()):
        users_put(project=project, rows=rows)
    say(f"{NUM_EVENTS:,} events")
    for rows in _batches(generated.history(NUM_EVENTS, int(time.time() * 1000))):
        events_ingest(project=project, rows=rows, source="demo")
    retriever = model_publish(project=project, name="retriever", document=demo_retriever(), note="demo")
    ranker = model_publish(project=project, name="ranker", document=demo_ranker(), note="demo")
    say("training on that history, then online, and a deployment")
    for version in (retriever, ranker):
        if not Run.objects.filter(model_version=version, wanted=True).exists():
            run_start(model_version=version, mode=Run.Mode.BATCH, continues_online=True)
    if not Deployment.objects.filter(project=project, name="main").exists():
        deployment_put(project=project, name="main", retrieval=retriever, ranking=ranker, is_default=True)


def _batches(rows: Sequence[dict[str, Any]] | Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    iterator = iter(rows)
    while batch := list(itertools.islice(iterator, ROWS_PER_BATCH)):
        yield batch
