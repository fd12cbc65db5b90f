"""What holds of the whole site: Django's own check of a deployment, and no page that carries a script or a style of its own."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

ROOT = Path(__file__).parents[2]
TEMPLATES, SCRIPTS = ROOT / "templates", ROOT / "webapp" / "static" / "js"

INLINE = {
    "a style attribute": re.compile(r"<[a-z][^>]*\sstyle\s*=", re.I),
    "a style element": re.compile(r"<style\b", re.I),
    "a script of its own": re.compile(r"<script\b(?![^>]*\ssrc=)", re.I),
    "an event attribute": re.compile(r"<[a-z][^>]*\son[a-z]+\s*=", re.I),
    "an address that is a script": re.compile(r"javascript:", re.I),
    "htmx that evaluates": re.compile(r"hx-(on|vals=.js:)", re.I),
}
EVALUATES = re.compile(r"\beval\(|new Function\(|setTimeout\(\s*[\"']|document\.write\(")


def test_it_passes_django_s_check_of_a_deployment(tmp_path: Path) -> None:
    production = {
        "FRESHET_HTTPS": "true",
        "FRESHET_SECRET_KEY": secrets.token_urlsafe(48),
        "FRESHET_ALLOWED_HOSTS": "freshet.example.org",
        "FRESHET_DATA_DIR": str(tmp_path),
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    # the tests allow themselves what a deployment must not
    clean = {name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"}
    checked = subprocess.run(command, cwd=ROOT, env=clean | production, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "no issues" in checked.stdout + checked.stderr


@pytest.fixture
def over_tls(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 3600


@pytest.mark.usefixtures("over_tls", "_database_log")
def test_it_sends_people_to_tls_and_leaves_programs_alone() -> None:
    page = Client().get("/sign-in")
    assert (page.status_code, page.headers["Location"]) == (301, "https://testserver/sign-in")
    assert Client().get("/api/v1/health").status_code == 200
    assert Client().get("/sign-in", secure=True).headers["Strict-Transport-Security"].startswith("max-age=3600")


def test_no_template_has_what_the_content_policy_refuses() -> None:
    found = {
        str(template.relative_to(ROOT)): refused
        for template in sorted(TEMPLATES.rglob("*.html"))
        if (refused := [name for name, pattern in INLINE.items() if pattern.search(template.read_text())])
    }
    assert found == {}


def test_no_script_evaluates_text() -> None:
    assert [
        str(script.relative_to(ROOT))
        for script in sorted(SCRIPTS.rglob("*.js"))
        if EVALUATES.search(script.read_text())
    ] == []
