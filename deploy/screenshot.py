"""`make screenshot`: draw pages of the running system into docs/ for the README: home, a training run, parameter sync, the inspector."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.launcher.environment import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

    from webapp.accounts.models import Account, Project

WIDTH, HEIGHT = 1280, 860
SCALE = 1.5


@dataclass(frozen=True)
class Shot:
    """A page and the picture's name in the folder of pictures."""

    name: str
    address: str


def _account() -> Account:
    from webapp.accounts.models import Account

    account = Account.objects.order_by("pk").first()
    if account is None:
        raise SystemExit("There is no account to sign in with; start the system with its demo.")
    return account


def _session_key(account: Account) -> str:
    """A signed-in session: passwords are kept as hashes, so nobody can type one here."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(account.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = account.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def _shots(project: Project) -> Iterator[Shot]:
    """What the README shows, of what the project has."""
    from webapp.training.models import Run

    home = f"/p/{project.slug}/"
    yield Shot("screenshot-home", home)
    # a ranking model has the most to show
    runs = Run.objects.filter(project=project, state=Run.State.RUNNING, mode=Run.Mode.ONLINE).order_by("pk")
    if (run := runs.first()) is not None:
        yield Shot("screenshot-run", f"{home}runs/{run.pk}/")
    yield Shot("screenshot-sync", f"{home}sync/")
    if recommendation_id := _recommended(project):
        yield Shot("screenshot-inspector", f"{home}inspector/?recommendation_id={recommendation_id}")


def _recommended(project: Project) -> str:
    """A recommendation that was answered lately and that later events speak of, else any; empty where there is none."""
    from webapp.catalog.selectors import recent_events

    followed = ""
    for event in recent_events(project=project, limit=500):
        if event.recommendation_id and event.items:
            return event.recommendation_id
        followed = followed or event.recommendation_id or ""
    return followed


def _draw(context: BrowserContext, address: str, out: Path, wait_s: float) -> None:
    page = context.new_page()
    page.goto(address)
    time.sleep(wait_s)
    page.screenshot(path=out)
    page.close()
    sys.stdout.write(f"{out}\n")


def main() -> int:
    """0 when the pictures are written."""
    parser = argparse.ArgumentParser(prog="python -m deploy.screenshot", description=__doc__)
    parser.add_argument("--project", default="demo", help="its short name (default demo)")
    parser.add_argument("--page", default="", help="one page instead, such as /p/demo/data/")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs", help="the folder; with --page the file (default docs)"
    )
    parser.add_argument("--wait", type=float, default=8.0, help="seconds for a page's charts to fill (default 8)")
    options = parser.parse_args()
    import django

    django.setup()
    from playwright.sync_api import sync_playwright

    from webapp.accounts.models import Project

    key, base_url = _session_key(_account()), os.environ["FRESHET_BASE_URL"]
    if options.page:
        shots = [(options.page, options.out)]
    else:
        project = Project.objects.filter(slug=options.project).first()
        if project is None:
            raise SystemExit(f"There is no project {options.project!r}.")
        shots = [(shot.address, options.out / f"{shot.name}.png") for shot in _shots(project)]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=SCALE, color_scheme="light"
        )
        context.add_cookies([{"name": "sessionid", "value": key, "url": base_url}])
        for address, out in shots:
            _draw(context, base_url + address, out, options.wait)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
