"""What a key may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from webapp.accounts.models import ApiKey, Scope
from webapp.core.errors import Forbidden

if TYPE_CHECKING:
    from rest_framework.views import APIView

ANY_SCOPE = tuple(Scope)


class HasScope(BasePermission):
    """The key has one of the scopes that the view's `scopes` names for the method. A method without an entry is closed."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiKey):
            return False
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method.lower() not in view.http_method_names or getattr(view, method.lower(), None) is None:
            return True  # the view answers 405
        allowed: tuple[Scope, ...] = getattr(view, "scopes", {}).get(method, ())
        if (refusal := missing_scope(request.auth, allowed)) is not None:
            raise refusal
        return True


def missing_scope(api_key: ApiKey, allowed: tuple[Scope, ...]) -> Forbidden | None:
    """What to answer to a key with none of the scopes `allowed`; None for one that has one."""
    if set(allowed) & set(api_key.scopes):
        return None
    wanted = " or ".join(scope.value for scope in allowed)
    return Forbidden(f"This key lacks the scope {wanted}.", scopes=[scope.value for scope in allowed])
