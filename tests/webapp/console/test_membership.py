"""Every address of the console, tried by a member of another project, with every method: nothing is shown, nothing changes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client
from django.urls import reverse
from django.utils import timezone

from tests.webapp.client import DEFINITION
from tests.webapp.console.conftest import PASSWORD
from tests.webapp.dead_letters import dead_event
from webapp.accounts.member_services import invitation_create
from webapp.accounts.models import Account, ApiKey, Invitation, Membership, Project
from webapp.accounts.services import account_create, api_key_create
from webapp.alerts.models import AlertChannel, AlertRule
from webapp.alerts.services import alert_channel_create
from webapp.batches.models import Batch
from webapp.catalog.models import DeadEvent, Import
from webapp.console_urls import project_pages
from webapp.erasure.models import Erasure
from webapp.experiments.models import Experiment, Replay
from webapp.experiments.services import experiment_start
from webapp.exports.models import Export
from webapp.registry.models import Model, SchemaVersion
from webapp.registry.services import model_publish
from webapp.serving.models import Deployment
from webapp.serving.services import deployment_put
from webapp.training.models import Run, Search
from webapp.training.search_services import search_start, trial_begin, trial_finished
from webapp.training.services import run_start

STREAMS_OF_A_PROJECT = {"event_debugger_live", "event_trace_live", "overview_live"}
STREAMS = {"run_live", "run_log_live", "search_live", "sync_live"} | STREAMS_OF_A_PROJECT
MOVED = {"events_upload"}
"""Addresses of before, which lead to where the page is now."""

NAMES = {"job": "run", "model": "retrieval", "deployment": "main", "experiment": "first"}
KEPT = (
    ApiKey,
    AlertChannel,
    AlertRule,
    Invitation,
    Membership,
    DeadEvent,
    Experiment,
    Model,
    SchemaVersion,
    Deployment,
    Run,
    Search,
    Replay,
    Batch,
)


@pytest.fixture
def theirs(other_project: Project) -> dict[str, int]:
    """One of everything in a project that `member` does not belong to; the ids that addresses name."""
    version = model_publish(project=other_project, name="retrieval", document=DEFINITION)
    arms = [
        (deployment_put(project=other_project, name=name, retrieval=version, ranking=None), 5000)
        for name in ("main", "other")
    ]
    experiment_start(project=other_project, name="first", arms=arms)
    key, _ = api_key_create(project=other_project, name="theirs", scopes=["ingest"])
    varies = [{"kind": "choice", "path": "training.batch_size", "values": [64, 128]}]
    search = search_start(model_version=version, settings={"varies": varies})
    trial_finished(
        trial=trial_begin(search=search, number=1, params={"training.batch_size": 64}), state="complete", value=0.5
    )
    run = run_start(model_version=version, mode="online")
    dead = dead_event(other_project)
    main = Deployment.objects.get(project=other_project, name="main")
    owner = account_create(username="owner", password=PASSWORD)
    replay = Replay.objects.create(
        project=other_project, deployment=main, event_type="click", hours=1, max_answers=1, state="succeeded"
    )
    return {
        "key_id": key.pk,
        "channel_id": alert_channel_create(project=other_project, kind="email", address="ops@example.org").pk,
        "membership_id": Membership.objects.create(account=owner, project=other_project).pk,
        "invitation_id": invitation_create(
            project=other_project, role="viewer", account=owner, lasts=timedelta(days=1), now=timezone.now()
        )[0].pk,
        "run_id": run.pk,
        "work_id": run.pk,
        "import_id": Import.objects.create(project=other_project, file_name="theirs.csv", fingerprint="theirs").pk,
        "export_id": Export.objects.create(project=other_project, what="items", state="succeeded", wanted=False).pk,
        "erasure_id": Erasure.objects.create(project=other_project, kind="user", entity_id="theirs").pk,
        "search_id": search.pk,
        "number": 1,
        "dead_event_id": dead.pk,
        "replay_id": replay.pk,
        "batch_id": Batch.objects.create(project=other_project, deployment="main", k=1, state="succeeded").pk,
    }


def addresses(project: Project, ids: dict[str, int]) -> dict[str, str]:
    """Every page of the console as an address in `project`, with the other project's ids and names."""
    found = {}
    for page in project_pages:
        if page.name in MOVED:
            continue
        parts: dict[str, Any] = {}
        for part in page.pattern.converters:
            kind = str(page.name).partition("_")[0]
            named = "model" if kind in ("sync", "run") else kind
            parts[part] = ids.get(part) or (1 if part == "version" else NAMES.get(named, "retrieval"))
        found[str(page.name)] = reverse(str(page.name), kwargs={"slug": project.slug, **parts})
    return found


def has_parts(name: str) -> bool:
    """Whether the page shows one thing, named in its address; the schema's versions are in every project."""
    return any(page.name == name and page.pattern.converters for page in project_pages) and name != "schema_version"


def picture(project: Project) -> list[Any]:
    return [list(kind._default_manager.filter(project=project).order_by("pk").values()) for kind in KEPT]


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_opens_no_address_of_another_project(
    browser: Client, other_project: Project, theirs: dict[str, int], method: str
) -> None:
    before = picture(other_project)
    for name, address in addresses(other_project, theirs).items():
        if name not in STREAMS:
            assert getattr(browser, method)(address).status_code in (404, 405), address
    assert picture(other_project) == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_finds_nothing_of_another_project_from_its_own(
    browser: Client, project: Project, other_project: Project, theirs: dict[str, int], method: str
) -> None:
    before = picture(other_project)
    for name, address in addresses(project, theirs).items():
        if name in STREAMS or not has_parts(name):
            continue
        assert getattr(browser, method)(address).status_code in (404, 405), address
    assert picture(other_project) == before


def test_it_streams_nothing_of_another_project(
    account: Account, project: Project, other_project: Project, theirs: dict[str, int]
) -> None:
    member = AsyncClient()
    member.force_login(account)

    async def look() -> None:
        for place in (project, other_project):
            for name in STREAMS - STREAMS_OF_A_PROJECT if place == project else STREAMS:
                address = addresses(place, theirs)[name]
                assert (await member.get(address)).status_code == 404, address
                assert (await AsyncClient().get(address)).status_code == 401, address

    async_to_sync(look)()  # in the test's own thread, whose transaction holds the rows


def test_it_sends_whoever_is_not_signed_in_away_from_every_address(
    client: Client, other_project: Project, theirs: dict[str, int]
) -> None:
    before = picture(other_project)
    for name, address in addresses(other_project, theirs).items():
        if name in STREAMS:
            continue
        for method in ("get", "post"):
            answer = getattr(client, method)(address)
            assert answer.status_code in (302, 405), address
            assert answer.status_code == 405 or answer.headers["Location"].startswith(reverse("sign_in")), address
    assert picture(other_project) == before
