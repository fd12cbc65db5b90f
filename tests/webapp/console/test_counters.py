"""The schema page lists the counters, and a schema whose counters count nothing that is declared is refused."""

from __future__ import annotations

import pytest
from django.test import Client

from engine.errors import InvalidDocument
from webapp.accounts.models import Project
from webapp.registry.services import schema_publish

EVENTS = {"impression": {"role": "impression"}, "click": {}}


def test_it_lists_counters_with_their_windows(browser: Client, project: Project) -> None:
    schema_publish(project=project, document={"events": EVENTS})
    assert "Counters" not in browser.get(f"/p/{project.slug}/schema/").content.decode()
    counters = {
        "clicks": {"keys": ["item.id"], "event_types": ["click"]},
        "pairs": {"keys": ["user.id", "item.id"], "event_types": ["click"], "windows_s": [], "half_lives_s": [3600]},
    }
    schema_publish(project=project, document={"events": EVENTS, "counters": counters})
    page = browser.get(f"/p/{project.slug}/schema/").content.decode()
    assert "<td>10 min, 60 min, 24 h</td><td>–</td>" in page
    assert "<td>user.id, item.id</td><td>click</td><td>–</td><td>60 min</td>" in page


def test_it_refuses_a_counter_of_what_is_not_declared(project: Project) -> None:
    counters = {"clicks": {"keys": ["item.id"], "event_types": ["klick"]}}
    with pytest.raises(InvalidDocument, match="'klick' is not a declared event type; declared: impression, click"):
        schema_publish(project=project, document={"events": EVENTS, "counters": counters})
