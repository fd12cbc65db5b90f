"""Who asks: an access key id of ours, by its signature."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from webapp.accounts.authentication import too_many, unknown_keys
from webapp.accounts.models import ApiKey
from webapp.accounts.services import api_key_used
from webapp.audit.acting import act_as_key
from webapp.compat.personalize.errors import BadSignature, UnknownKey
from webapp.compat.personalize.keys import prefix_of, secret_access_key
from webapp.compat.personalize.signature import Received, check, read_header
from webapp.core.remembered import OUTAGE_S, NotRemembered, Remembered, only_remembered

KEYS_KEPT_S = 2.0


class _AbsentError(Exception):
    """A key that there is not is not remembered."""


_keys: Remembered[str, ApiKey] = Remembered(KEYS_KEPT_S, stale_s=OUTAGE_S, max_entries=4096)


class SignatureAuthentication(BaseAuthentication):
    """Sets `request.auth` to the `ApiKey`, as `accounts.authentication` does. Raises `BadSignature`, `UnknownKey`,
    and `Throttled` for an address that sent too many wrong ones."""

    clock: Callable[[], datetime] = staticmethod(lambda: datetime.now(UTC))

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        address = str(request.META.get("REMOTE_ADDR") or "")
        try:
            signed = read_header(header)
            api_key = _known(signed.access_key_id, address)
            if not api_key.works_at(self.clock()):
                raise UnknownKey("The security token included in the request is expired.")
            check(_received(request), signed, secret_access_key(api_key), self.clock())
        except (BadSignature, UnknownKey):
            if wait_s := unknown_keys().count(address):
                raise too_many(wait_s) from None
            raise
        api_key_used(api_key=api_key)
        act_as_key(api_key.name, api_key.prefix, address)
        return AnonymousUser(), api_key

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return "AWS4-HMAC-SHA256"


def _known(access_key_id: str, address: str) -> ApiKey:
    """PostgreSQL is asked nothing for an address that sent too many wrong ones; a key that was right lately goes on."""
    wait_s = unknown_keys().wait_s(address)
    if not wait_s:
        return _api_key(access_key_id)
    try:
        with only_remembered():
            return _api_key(access_key_id)
    except NotRemembered:
        raise too_many(wait_s) from None


def _api_key(access_key_id: str) -> ApiKey:
    prefix = prefix_of(access_key_id)
    try:
        if prefix is None:
            raise _AbsentError
        return _keys.get(prefix, lambda: _look_up(prefix))
    except _AbsentError:
        raise UnknownKey("The security token included in the request is invalid: no such access key.") from None


def _look_up(prefix: str) -> ApiKey:
    found = ApiKey.objects.select_related("project").filter(prefix=prefix, revoked_at__isnull=True).first()
    if found is None:
        raise _AbsentError
    return found


def _received(request: Request) -> Received:
    plain = request._request
    headers = {name.lower(): value for name, value in plain.headers.items()}
    return Received(plain.method or "", plain.path, plain.META.get("QUERY_STRING", ""), headers, plain.body)
