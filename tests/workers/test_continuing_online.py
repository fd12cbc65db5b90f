"""A batch run trains on everything acknowledged before it, and hands over to an online run when it was asked to."""

from __future__ import annotations

import pytest

from engine.spec.demo import demo_retriever, demo_schema
from engine.streams.log import EventLog
from webapp.accounts.models import Account, Project
from webapp.catalog.services import events_ingest
from webapp.core.errors import Invalid
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish, schema_publish
from webapp.training import services
from webapp.training.models import Run
from workers import demo_world
from workers.joined import await_joiner
from workers.leases import held
from workers.runs import RunSession


@pytest.fixture
def version(project: Project) -> ModelVersion:
    schema_publish(project=project, document=demo_schema())
    return model_publish(project=project, name="retriever", document=demo_retriever())


def test_batch_run_that_succeeds_queues_its_online_run(version: ModelVersion) -> None:
    batch = services.run_start(model_version=version, mode="batch", continues_online=True)
    services.run_finished(run=batch, state=Run.State.SUCCEEDED)
    online = Run.objects.get(wanted=True)
    assert (online.mode, online.state, online.model_version) == ("online", "queued", version)


@pytest.mark.parametrize("state", [Run.State.STOPPED, Run.State.FAILED])
def test_batch_run_that_ends_otherwise_queues_nothing(version: ModelVersion, state: str) -> None:
    batch = services.run_start(model_version=version, mode="batch", continues_online=True)
    services.run_finished(run=batch, state=state)
    assert not Run.objects.filter(wanted=True).exists()


def test_online_run_cannot_continue_online(version: ModelVersion) -> None:
    with pytest.raises(Invalid, match="continues_online"):
        services.run_start(model_version=version, mode="online", continues_online=True)


def test_batch_run_waits_until_the_joiner_has_read_what_was_acknowledged(
    project: Project, version: ModelVersion, log: EventLog
) -> None:
    rows = [{"type": "click", "user_id": "u", "item_id": str(number)} for number in range(3)]
    assert events_ingest(project=project, rows=rows, source="test").num_accepted == 3
    run = services.run_start(model_version=version, mode="batch")
    said: list[str] = []

    def joiner_reads_one(_: float) -> None:
        run.refresh_from_db()
        said.append(run.error)
        services.joiner_report(project=project, events_offsets={0: len(said)})

    with held(run.lease_name) as lease:
        assert lease is not None
        session = RunSession(run, lease, lambda: False)
        assert await_joiner(session, log, sleep=joiner_reads_one)
    assert said == [f"waiting for the joiner: {num} events to go" for num in (3, 2, 1)]
    run.refresh_from_db()
    assert run.error == ""


def test_batch_run_that_is_stopped_while_it_waits_gives_up(
    project: Project, version: ModelVersion, log: EventLog
) -> None:
    events_ingest(project=project, rows=[{"type": "click", "user_id": "u", "item_id": "i"}], source="test")
    run = services.run_start(model_version=version, mode="batch")
    with held(run.lease_name) as lease:
        assert lease is not None
        assert not await_joiner(RunSession(run, lease, lambda: True), log, sleep=lambda _: None)


@pytest.mark.django_db
def test_first_account_is_made_once() -> None:
    made = demo_world.create_account()
    assert made is not None
    assert Account.objects.get().check_password(made.password)
    assert demo_world.create_account() is None
