"""What a browser never sends by itself: answered with a reason, never with a failure of the server."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import AsyncClient, Client
from django.urls import reverse

from tests.webapp.client import DEFINITION
from tests.webapp.console.page import Page
from webapp.accounts.models import Account, Project
from webapp.registry.models import Model
from webapp.registry.services import model_publish
from webapp.training.models import Run, RunMetric

MAX_SLOTS = 500
DEEP = '{"a":' * 3000 + "1" + "}" * 3000
LONG_NUMBER = '{"a": ' + "9" * 5000 + "}"
FORM = {
    "slots.0.name": "user", "slots.0.number": "1", "slots.0.source": "user.id", "slots.0.dim": "8",
    "slots.1.name": "item", "slots.1.number": "2", "slots.1.source": "item.id", "slots.1.dim": "8",
    "tasks.0.name": "click", "tasks.0.event_type": "click", "architecture.kind": "two_tower",
}  # fmt: skip


@pytest.fixture
def run(project: Project) -> Run:
    version = model_publish(project=project, name="retrieval", document=DEFINITION)
    return Run.objects.create(project=project, model_version=version, mode="online")


@pytest.mark.parametrize("text", [DEEP, LONG_NUMBER, '{"a": NaN}', '{"a": '])
def test_it_says_that_a_document_is_no_json_it_takes(browser: Client, project: Project, text: str) -> None:
    schema = browser.post(reverse("schema_edit", args=[project.slug]), {"document": text})
    model = browser.post(reverse("model_new", args=[project.slug]), {"name": "towers", "document": text})
    for answer in (schema, model):
        assert answer.status_code == 400
        assert "not JSON" in Page(answer.content.decode()).text


@pytest.mark.parametrize("odd", [{"name": "m\0"}, {"note": "a\0b"}])
def test_it_refuses_a_model_with_a_nul_character(browser: Client, project: Project, odd: dict[str, str]) -> None:
    answer = browser.post(reverse("model_new", args=[project.slug]), {"name": "towers", **FORM, **odd})
    assert answer.status_code == 400
    assert not Model.objects.filter(project=project).exists()


@pytest.mark.parametrize("line", [DEEP, LONG_NUMBER, "NaN"])
def test_it_rejects_the_line_of_a_file_that_is_no_json_it_takes(browser: Client, project: Project, line: str) -> None:
    good = b'{"type": "click", "user_id": "ann", "item_id": "tea", "timestamp": 1769860800000}'
    file = SimpleUploadedFile("events.jsonl", good + b"\n" + line.encode())
    answer = browser.post(reverse("imports", args=[project.slug]), {"file": file}, follow=True)
    assert "1 of the first 2 rows would be rejected" in Page(answer.content.decode()).text


@pytest.mark.parametrize("path", ["models/%00/", "models/%0A/edit", "models/A/", "deployments/%00/", "sync/%00/v1/"])
def test_it_knows_no_page_of_a_name_that_cannot_be(browser: Client, project: Project, path: str) -> None:
    assert browser.get(f"/p/{project.slug}/{path}").status_code == 404


@pytest.mark.parametrize("after", ["9" * 5000, "9" * 18, "-1", "x", "٣", ""])
def test_it_starts_a_curve_from_the_beginning_at_an_odd_place(browser: Client, run: Run, after: str) -> None:
    answer = browser.get(reverse("run_metrics", args=[run.project.slug, run.pk]), {"after": after})
    assert answer.status_code == 200


@pytest.mark.parametrize(("last_event_id", "num_points"), [("", 2), ("x", 2), ("newest", 0)])
def test_it_sends_a_stream_that_connects_again_only_what_it_lacks(
    account: Account, run: Run, last_event_id: str, num_points: int
) -> None:
    points = [RunMetric.objects.create(run=run, num_examples=n, values={"loss": 0.5}) for n in (1, 2)]
    Run.objects.filter(pk=run.pk).update(state=Run.State.STOPPED)
    update = first_update(account, run, str(points[-1].pk) if last_event_id == "newest" else last_event_id)
    assert update.count('"loss"') == num_points
    assert f"id: {points[-1].pk}\n" in update


def first_update(account: Account, run: Run, last_event_id: str) -> str:
    client = AsyncClient()
    client.force_login(account)

    async def read() -> str:
        headers = {"last-event-id": last_event_id}
        answer: Any = await client.get(reverse("run_live", args=[run.project.slug, run.pk]), headers=headers)
        parts = [part async for part in answer.streaming_content]
        return str(next(part.decode() for part in parts if part.startswith(b"event: update")))

    return async_to_sync(read)()  # in the test's own thread, whose transaction holds the rows


def test_it_takes_the_form_of_the_largest_model(browser: Client, project: Project) -> None:
    slot = {"name": "s", "source": "user.id", "dim": "8"}
    slots = {f"slots.{n}.{key}": value for n in range(MAX_SLOTS) for key, value in slot.items()}
    fields = {**slots, **{f"slots.{n}.field{m}": "" for n in range(MAX_SLOTS) for m in range(12)}}
    assert browser.post(reverse("model_preview", args=[project.slug]), fields).status_code == 200
    shown = browser.post(reverse("model_new", args=[project.slug]), {"name": "large", **slots}).content
    assert shown.count(b'.shares"') == MAX_SLOTS
    assert len(shown) < 10_000 * MAX_SLOTS


def test_it_shows_no_more_rows_than_a_model_may_have(browser: Client, project: Project) -> None:
    slots = {f"slots.{n}.name": "s" for n in range(5000)}
    answer = browser.post(reverse("model_new", args=[project.slug]), {"name": "large", **slots})
    assert answer.status_code == 400
    assert answer.content.count(b'name="slots.') < 20 * (MAX_SLOTS + 2)
    assert "at most 500 items" in Page(answer.content.decode()).text
