"""The runs page shows what became of events by each of the joiner's rules."""

from __future__ import annotations

import re

from django.test import Client

from engine.joining.state import JoinerCounters
from webapp.accounts.models import Project
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
