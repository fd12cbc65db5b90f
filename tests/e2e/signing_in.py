"""A signed-in session without the form, for tests that are about other pages."""

from __future__ import annotations

import re
import uuid
from typing import Any

import httpx

from tests.e2e.whole_system import WholeSystem


def session_cookies(system: WholeSystem) -> list[dict[str, Any]]:
    """The cookies that the sign-in form gives the system's account, as Playwright takes them."""
    with httpx.Client(base_url=system.base_url, timeout=60) as client:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/sign-in").text)
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "username": system.username, "password": system.password}
        answer = client.post("/sign-in", data=form, headers={"Referer": f"{system.base_url}/sign-in"})
        assert answer.status_code == 302, answer.text
        return [{"name": one.name, "value": one.value, "url": system.base_url} for one in client.cookies.jar]


def create_project(system: WholeSystem, slug: str, *, cookies: list[dict[str, Any]]) -> str:
    """Makes the project `slug` through the console's form; its address (`/p/<slug>/`). One that is there already stays."""
    with httpx.Client(base_url=system.base_url, timeout=60) as client:
        for cookie in cookies:
            client.cookies.set(cookie["name"], cookie["value"])
        if client.get(f"/p/{slug}/").status_code == 200:
            return f"/p/{slug}/"
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/").text)
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "name": slug.replace("-", " ").capitalize(), "slug": slug}
        answer = client.post("/", data=form, headers={"Referer": system.base_url})
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]


def post_events(system: WholeSystem, slug: str, num_events: int, *, cookies: list[dict[str, Any]]) -> None:
    """Sends clicks through the public API, with a key that the console makes for it."""
    with httpx.Client(base_url=system.base_url, timeout=60) as client:
        for cookie in cookies:
            client.cookies.set(cookie["name"], cookie["value"])
        page = client.get(f"/p/{slug}/keys/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None
        form = {"csrfmiddlewaretoken": token[1], "name": "sender", "scopes": ["ingest"]}
        made = client.post(f"/p/{slug}/keys/", data=form, headers={"Referer": system.base_url})
        secret = re.search(r"data-secret>([^<]+)<", made.text)
        assert secret is not None, made.text
        events = [
            {
                "event_id": f"{uuid.uuid4()}",
                "type": "click",
                "user_id": f"user-{number}",
                "item_id": f"item-{number % 7}",
            }
            for number in range(num_events)
        ]
        headers = {"Authorization": f"Bearer {secret[1]}"}
        answer = httpx.post(f"{system.base_url}/api/v1/events", json={"events": events}, headers=headers, timeout=30)
        assert answer.status_code < 300, answer.text
