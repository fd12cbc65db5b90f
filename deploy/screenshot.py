"""`make screenshot`: draw the running system's parameter-sync page into docs/screenshot.png."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from deploy.launcher.environment import ROOT

WIDTH, HEIGHT = 1280, 860


def _session_key() -> str:
    """A signed-in session of the first account: passwords are kept as hashes, so nobody can type one here."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from webapp.accounts.models import Account

    account = Account.objects.order_by("pk").first()
    if account is None:
        raise SystemExit("There is no account to sign in with; start the system with its demo.")
    session = SessionStore()
    session[SESSION_KEY] = str(account.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = account.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def main() -> int:
    """0 when the picture is written."""
    parser = argparse.ArgumentParser(prog="python -m deploy.screenshot", description=__doc__)
    parser.add_argument("--page", default="/p/demo/sync/", help="default: /p/demo/sync/")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshot.png")
    parser.add_argument("--wait", type=float, default=20.0, help="seconds for charts to fill (default 20)")
    options = parser.parse_args()
    import django

    django.setup()
    from playwright.sync_api import sync_playwright

    key, base_url = _session_key(), os.environ["FRESHET_BASE_URL"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.5)
        context.add_cookies([{"name": "sessionid", "value": key, "url": base_url}])
        page = context.new_page()
        page.goto(base_url + options.page)
        time.sleep(options.wait)
        page.screenshot(path=options.out)
        browser.close()
    sys.stdout.write(f"{options.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
