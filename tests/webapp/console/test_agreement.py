"""The runs page shows how far what serving logged is what the log says."""

from __future__ import annotations

from django.test import Client

from webapp.accounts.models import Project
from webapp.training.services import joiner_report


def test_it_shows_the_share_of_served_features_that_differ_most_first(browser: Client, project: Project) -> None:
    where = f"/p/{project.slug}/runs/"
    assert "Features as served" not in browser.get(where).content.decode()
    agreement = {
        "counter.clicks_10m": {"num_compared": 4000.0, "num_differing": 50.0},
        "user.country": {"num_compared": 400.0, "num_differing": 8.0},
        "user.history": {"num_compared": 400.0, "num_differing": 0.0},
    }
    joiner_report(project=project, num_events=1, agreement=agreement)
    page = browser.get(where).content.decode()
    assert "Features as served" in page
    places = [page.index(f"<code>{source}</code>") for source in ("user.country", "counter.clicks_10m", "user.history")]
    assert places == sorted(places)
    assert "2.0%" in page and "1.2%" in page and "4,000" in page
