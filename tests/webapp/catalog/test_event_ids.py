"""Which event ids were accepted before: remembered by digest, also across the change to digests."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from webapp.accounts.models import Project
from webapp.catalog.models import AcceptedEvent
from webapp.catalog.storage import RepeatedEventIds, accept_event_ids, accept_new_event_ids, event_digest


def test_it_accepts_new_ids_and_knows_them_afterwards(project: Project, other_project: Project) -> None:
    assert accept_new_event_ids(project, ["a", "b"]) == {"a", "b"}
    assert accept_event_ids(project, ["b", "c"]) == {"c"}
    assert accept_event_ids(other_project, ["a"]) == {"a"}
    assert AcceptedEvent.objects.filter(project=project).count() == 3


def test_it_says_that_an_id_is_not_new_and_keeps_none_of_the_batch(project: Project) -> None:
    accept_new_event_ids(project, ["a"])
    with pytest.raises(RepeatedEventIds), transaction.atomic():
        accept_new_event_ids(project, ["b", "a", "c"])
    assert AcceptedEvent.objects.filter(project=project).count() == 1
    assert accept_event_ids(project, ["a", "b", "c"]) == {"b", "c"}


def test_it_notes_when_ids_were_accepted(project: Project) -> None:
    accept_new_event_ids(project, ["a"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT now() - accepted_at < interval '1 minute' FROM catalog_acceptedevent")
        assert cursor.fetchall() == [(True,)]


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=256))
@pytest.mark.django_db
def test_it_makes_the_digest_that_postgresql_made_of_old_ids(event_id: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT encode(substring(sha256(convert_to(%s, 'UTF8')) FROM 1 FOR 16), 'hex')", [event_id])
        assert cursor.fetchone() == (event_digest(event_id).hex(),)


def test_it_still_knows_the_ids_that_were_kept_as_text(project: Project) -> None:
    migration = import_module("webapp.catalog.migrations.0002_accepted_event_digest")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE old_ids (event_id varchar(256)) ON COMMIT DROP")
        cursor.execute("INSERT INTO old_ids VALUES ('e1'), ('Москва')")
        cursor.execute(migration.DIGEST.replace("catalog_acceptedevent", "old_ids"))
        cursor.execute(
            "INSERT INTO catalog_acceptedevent (project_id, digest) SELECT %s, digest FROM old_ids", [project.pk]
        )
    assert accept_event_ids(project, ["e1", "Москва", "e2"]) == {"e2"}
