"""Who asks: the API key in `Authorization: Bearer fk_…` or `X-API-Key`."""

from __future__ import annotations

from functools import cache
from typing import cast

from django.contrib.auth.models import AnonymousUser
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.request import Request

from webapp.accounts.models import ApiKey, Project
from webapp.accounts.selectors import api_key_authenticate, api_key_was_right
from webapp.accounts.services import api_key_used
from webapp.accounts.throttling import UnknownKeys
from webapp.audit.acting import act_as_key


class ApiKeyAuthentication(BaseAuthentication):
    """Sets `request.auth` to the `ApiKey`; there is no user, for a key belongs to a project."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        secret = _secret(request)
        if secret is None:
            return None
        address = str(request.META.get("REMOTE_ADDR") or "")
        api_key = key_of(secret, address)
        if api_key is None:
            raise refused_key(address)
        api_key_used(api_key=api_key)
        act_as_key(api_key.name, api_key.prefix, address)
        return AnonymousUser(), api_key

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002
        return "Bearer"


def key_of(secret: str, address: str) -> ApiKey | None:
    """The key whose secret this is; None when there is none. Reads what is remembered before PostgreSQL, and never Redis.

    Raises `Throttled` for an address that sent too many wrong ones, unless this one was right lately.
    """
    if (wait_s := unknown_keys().wait_s(address)) and not api_key_was_right(secret=secret):
        raise too_many(wait_s)
    return api_key_authenticate(secret=secret)


def refused_key(address: str) -> AuthenticationFailed | Throttled:
    """What to answer to a wrong key, which is counted in Redis."""
    if wait_s := unknown_keys().count(address):
        return too_many(wait_s)
    return AuthenticationFailed("This API key is unknown or revoked.")


@cache
def unknown_keys() -> UnknownKeys:
    """This process's count, made at first use."""
    return UnknownKeys()


def project_of(request: Request) -> Project:
    """The project whose key this is: the only one that the request can see."""
    return cast(ApiKey, request.auth).project


def too_many(wait_s: float) -> Throttled:
    return Throttled(wait_s, "Too many requests with unknown or revoked API keys came from this address.")


def _secret(request: Request) -> str | None:
    return secret_in(request.headers.get("Authorization", ""), request.headers.get("X-API-Key"))


def secret_in(authorization: str, own_header: str | None) -> str | None:
    """What a request says that its key is: `Authorization: Bearer …`, else `X-API-Key`."""
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return secret.strip()
    return own_header
