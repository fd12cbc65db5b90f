"""The runs page shows what became of events by each of the joiner's rules."""

from __future__ import annotations

import re

from django.test import Client

from engine.joining.state import JoinerCounters
from webapp.accounts.models import Project
from webapp.registry.services import schema_publish
from webapp.training.services import joiner_report


def test_it_shows_how_often_each_rule_was_applied_and_what_waits(browser: Client, project: Project) -> None:
    where = f"/p/{project.slug}/runs/"
    assert "From events to examples" not in browser.get(where).content.decode()
    counters = JoinerCounters(num_late=31, num_corrections=7, num_early=12, num_early_joined=11, num_orphans=1234)
    waiting = {"num_waiting_early": 3, "memory_bytes": 2_000_000, "num_spilled": 456, "spilled_bytes": 90_000}
    joiner_report(project=project, num_pending=7890, tallies=counters.to_json() | waiting)
    page = browser.get(where).content.decode()
    for what, count in (
        ("Late actions", "31"),
        ("… corrections", "7"),
        ("Early actions", "12"),
        ("Orphan actions", "1,234"),
    ):
        assert re.search(rf'{what}</th><td class="num">{count}<', page), what
    assert "7,890 shown items wait" in page
    assert "456 items" in page
    assert "3 actions wait for their impression" in page


def test_it_says_on_the_schema_page_what_becomes_of_actions(browser: Client, project: Project) -> None:
    where = f"/p/{project.slug}/schema/"
    page = browser.get(where).content.decode()
    assert "at once" in page
    assert "A late one still corrects</dt><dd>nothing" in page
    joining = {"positives": "wait", "negative_sampling_rate": 0.25, "late_s": 7200}
    document = {"events": {"impression": {"role": "impression"}, "click": {}}, "joining": joining}
    schema_publish(project=project, document=document)
    page = browser.get(where).content.decode()
    for text in ("when the window ends, with all labels", "<dd>25.0%</dd>", "<dd>2 h after its window</dd>"):
        assert text in page
