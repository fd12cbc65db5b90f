"""Health and /metrics: what a load balancer and a monitoring system are told, and who may ask."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from tests.webapp.client import Api
from tests.webapp.door.conftest import DoorClient
from tests.webapp.metrics_text import value_of
from tests.webapp.replica_server import Answers
from webapp.accounts.models import Project
from webapp.accounts.services import api_key_create
from webapp.core.metrics_sharing import VARIABLE, share_metrics
from webapp.core.remembered import forget_everything
from webapp.serving.door.falling_back import lately
from webapp.serving.models import Deployment, Replica


@pytest.mark.django_db(transaction=True)
def test_calls_are_counted_by_what_became_of_them(client: DoorClient, answers: Answers, project: Project) -> None:
    before = Client().get("/metrics").content.decode()
    client.post("/recommend", {"user_id": "u1"})
    client.post("/recommend", {"user_id": "u1", "k": 0})
    answers.reply = None
    client.post("/similar", {"item_id": "tea"})
    answer = Client().get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    after = answer.content.decode()
    for labels in (
        {"call": "recommend", "deployment": "main", "status": "200", "degraded": ""},
        {"call": "recommend", "deployment": "", "status": "400"},
        {"call": "similar", "status": "503"},
    ):
        counted = [value_of(text, "freshet_requests_total", project="shop", **labels) for text in (before, after)]
        assert counted[1] - counted[0] == 1, labels
    assert value_of(after, "freshet_request_seconds_count", project="shop", call="recommend") >= 2
    assert value_of(after, "freshet_impressions_appended") >= 1


@pytest.mark.django_db(transaction=True)
def test_events_are_counted_by_what_became_of_them(api: Api, project: Project) -> None:
    before = Client().get("/metrics").content.decode()
    row = {"event_id": "e1", "type": "click", "user_id": "u1", "item_id": "tea"}
    api.post("/events", [row, row, {"type": "dance"}])
    after = Client().get("/metrics").content.decode()
    for result in ("accepted", "repeated", "rejected"):
        counted = [value_of(text, "freshet_events_total", project="shop", result=result) for text in (before, after)]
        assert counted[1] - counted[0] == 1, result


@pytest.mark.django_db(transaction=True)
def test_a_key_sees_its_own_project_alone(
    client: DoorClient, answers: Answers, project: Project, other_project: Project
) -> None:
    client.post("/recommend", {"user_id": "u1"})
    _, own = api_key_create(project=project, name="m", scopes=["manage"])
    _, other = api_key_create(project=other_project, name="m", scopes=["manage"])
    seen = Client(headers={"x-api-key": own}).get("/metrics", REMOTE_ADDR="10.0.0.7").content.decode()
    assert value_of(seen, "freshet_requests_total", project="shop") >= 1
    unseen = Client(headers={"x-api-key": other}).get("/metrics", REMOTE_ADDR="10.0.0.7").content.decode()
    assert 'project="shop"' not in unseen
    assert "freshet_impressions_appended" in unseen


@pytest.mark.django_db
def test_strangers_see_no_metrics(project: Project) -> None:
    assert Client().get("/metrics", REMOTE_ADDR="10.0.0.7").status_code == 403
    assert Client(headers={"x-forwarded-for": "10.0.0.7"}).get("/metrics").status_code == 403
    assert Client(headers={"x-api-key": "fk_0123456789_wrong"}).get("/metrics").status_code == 401
    _, secret = api_key_create(project=project, name="m", scopes=["recommend"])
    assert Client(headers={"x-api-key": secret}).get("/metrics").status_code == 403


def test_counters_of_several_processes_are_added_up(tmp_path: Path) -> None:
    script = (
        "import sys; from prometheus_client import Counter; c = Counter('drops', 'd'); c.inc(int(sys.argv[1]))\n"
        "from prometheus_client import CollectorRegistry, generate_latest, multiprocess\n"
        "r = CollectorRegistry(); multiprocess.MultiProcessCollector(r); print(generate_latest(r).decode())"
    )
    environment = {**os.environ, VARIABLE: str(tmp_path)}
    told = [
        subprocess.run(
            [sys.executable, "-c", script, str(number)], env=environment, check=True, capture_output=True, text=True
        ).stdout
        for number in (2, 3)
    ]
    assert [value_of(text, "drops_total") for text in told] == [2, 5]


def test_each_server_has_a_folder_and_those_of_ended_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    pid = int(ended.stdout)
    old, running = tmp_path / f"web-{pid}", tmp_path / f"web-{os.getpid()}"
    mine = tmp_path / f"web-{os.getppid()}"
    for folder in (old, running, mine):
        folder.mkdir()
    long_ago, lately_ended = mine / f"counter_{pid}.db", mine / f"histogram_{pid}.db"
    for file in (long_ago, lately_ended, mine / f"counter_{os.getpid()}.db"):
        file.write_bytes(b"")
        if file != lately_ended:
            os.utime(file, (0, 0))
    assert share_metrics(tmp_path) == mine
    assert running.is_dir()
    assert not old.exists()
    assert sorted(one.name for one in mine.iterdir()) == sorted([f"counter_{os.getpid()}.db", f"histogram_{pid}.db"])
    assert os.environ[VARIABLE] == str(mine)


@pytest.mark.django_db
def test_a_process_is_ready_when_it_can_answer(deployment: Deployment) -> None:
    lately.forget()
    forget_everything()
    client = Client()
    assert client.get("/api/v1/health/live").json()["status"] == "ok"
    assert client.get("/api/v1/health/ready").status_code == 503
    lately.note((deployment.project_id, "main"), ["tea"])
    assert client.get("/api/v1/health/ready").status_code == 200
    lately.forget()


@pytest.mark.django_db
def test_with_nothing_deployed_nothing_has_to_answer(project: Project) -> None:
    lately.forget()
    forget_everything()
    assert not Replica.objects.exists()
    assert Client().get("/api/v1/health/ready").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_replica_makes_a_process_ready(opened: Callable[..., DoorClient], answers: Answers) -> None:
    opened()
    assert Client().get("/api/v1/health/ready").json() == {
        "status": "ok",
        "checks": {"replicas": "ok", "process": "ok"},
    }
