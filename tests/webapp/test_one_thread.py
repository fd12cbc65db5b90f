"""Under ASGI the middleware list runs as a whole on one thread."""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.test import AsyncClient
from django.utils.deprecation import MiddlewareMixin

modes: list[bool] = []


class Witness(MiddlewareMixin):
    """Notes whether Django made it hop between loop and thread by itself."""

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        modes.append(self.async_mode)


def test_it_makes_no_middleware_hop_by_itself(settings: Any) -> None:
    modes.clear()
    witness = f"{__name__}.Witness"
    settings.MIDDLEWARE = [named for each in settings.MIDDLEWARE for named in (witness, each)]
    ASGIHandler()
    assert modes == [False] * (len(settings.MIDDLEWARE) // 2)


def test_it_would_hop_without_the_last_one(settings: Any) -> None:
    modes.clear()
    settings.MIDDLEWARE = [f"{__name__}.Witness"]
    ASGIHandler()
    assert modes == [True]


def test_it_answers_under_asgi() -> None:
    answer = asyncio.run(_asked("/api/v1/no-such-address"))
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


async def _asked(path: str) -> Any:
    return await AsyncClient().get(path)
