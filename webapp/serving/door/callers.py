"""Who calls: the key, its scope and its rate, as for every endpoint, from what is remembered."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping

from django.utils import timezone
from rest_framework.exceptions import NotAuthenticated, Throttled
from rest_framework.settings import api_settings

from webapp.accounts.authentication import key_of, refused_key, secret_in
from webapp.accounts.key_counts import KeyCounts
from webapp.accounts.models import ApiKey, Scope
from webapp.accounts.permissions import missing_scope
from webapp.accounts.selectors import secret_digest
from webapp.accounts.services import api_key_use_is_due, api_key_used
from webapp.core.remembered import NotRemembered, made_anew, only_remembered
from webapp.serving.door.filling import Filling

TOLD_EVERY_S = 0.2
"""So often Redis hears what was counted: for so long a key may get more than its rate from several processes."""

SCOPES = (Scope.RECOMMEND,)


class Callers:
    """For one event loop."""

    def __init__(self, filling: Filling, counts: KeyCounts | None = None) -> None:
        self._filling = filling
        self._counts = counts or KeyCounts(str(api_settings.DEFAULT_THROTTLE_RATES["key"]))
        self._telling = False

    async def key(self, headers: Mapping[bytes, bytes], address: str) -> ApiKey:
        """The key of a request from `address`, which may call now.

        Raises `NotAuthenticated`, `AuthenticationFailed`, `Forbidden` without the scope, `Throttled`.
        """
        own = headers.get(b"x-api-key")
        secret = secret_in(
            headers.get(b"authorization", b"").decode("latin-1"), None if own is None else own.decode("latin-1")
        )
        if secret is None:
            raise NotAuthenticated
        api_key = await self._known(secret, address)
        if api_key is None:
            raise await self._filling.on_thread(lambda: refused_key(address))
        if (refusal := missing_scope(api_key, SCOPES)) is not None:
            raise refusal
        wait_s = self._counts.wait_s(api_key.prefix)
        self._tell_soon()
        if wait_s:
            raise Throttled(wait_s)
        return api_key

    async def _known(self, secret: str, address: str) -> ApiKey | None:
        look_up = functools.partial(key_of, secret, address)
        try:
            with only_remembered() as reading:
                api_key = look_up()
        except NotRemembered:
            api_key = await self._filling.fill(secret_digest(secret), look_up)
        else:
            if reading.found_old:
                self._filling.fill_ahead(secret_digest(secret), lambda: _anew(secret, address))
        if api_key is not None and api_key_use_is_due(api_key=api_key, now=timezone.now()):
            self._filling.fill_ahead(("used", api_key.pk), functools.partial(api_key_used, api_key=api_key))
        return api_key

    def _tell_soon(self) -> None:
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_later(TOLD_EVERY_S, self._tell)

    def _tell(self) -> None:
        self._telling = False
        self._filling.fill_ahead("rates", self._counts.tell)


def _anew(secret: str, address: str) -> None:
    with made_anew():
        key_of(secret, address)
