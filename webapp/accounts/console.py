"""The console's door: who is signed in, whether they belong to the project, and how a refusal looks on a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from engine.errors import EngineError, ReplicaUnavailable
from webapp.accounts import selectors
from webapp.accounts.models import Account, Project
from webapp.audit.acting import act_as_account
from webapp.core.errors import AppError, NotFound

Page = Callable[..., HttpResponseBase]
Stream = Callable[..., Awaitable[HttpResponseBase]]

REFUSALS = (AppError, EngineError)
"""What services and selectors raise when they refuse; a page shows the message instead of failing."""


def account_of(request: HttpRequest) -> Account:
    """The signed-in account; only for views behind `project_page` or `login_required`."""
    account = request.user
    if not isinstance(account, Account):
        raise Http404
    return account


def address_of(request: HttpRequest) -> str:
    """Where the request came from; "" when the server does not say."""
    return str(request.META.get("REMOTE_ADDR") or "")


def project_page(view: Page) -> Page:
    """Hands the view the project named by the URL's slug; 404 unless the signed-in account is a member of it."""

    @login_required
    @wraps(view)
    def page(request: HttpRequest, slug: str, **parts: Any) -> HttpResponseBase:
        account = account_of(request)
        project = _project(account, slug)
        act_as_account(account.get_username(), address_of(request))
        try:
            return view(request, project, **parts)
        except NotFound as error:
            raise Http404(error.message) from error
        except REFUSALS as error:
            return refusal(request, error, project)

    return page


def project_stream(view: Stream) -> Any:
    """As `project_page`, for async views that answer a stream: 401 when nobody is signed in, since nothing can follow a redirect."""

    @wraps(view)
    async def stream(request: HttpRequest, slug: str, **parts: Any) -> HttpResponseBase:
        account = await request.auser()
        if not isinstance(account, Account):
            return HttpResponse("sign in first", status=401, content_type="text/plain")
        project = await sync_to_async(_project)(account, slug)
        act_as_account(account.get_username(), address_of(request))
        try:
            return await view(request, project, **parts)
        except NotFound as error:
            raise Http404(error.message) from error

    return stream


def _project(account: Account, slug: str) -> Project:
    try:
        return selectors.project_for(account=account, slug=slug)
    except NotFound as error:
        raise Http404(error.message) from error


def refusal(request: HttpRequest, error: AppError | EngineError, project: Project | None = None) -> HttpResponse:
    """A page that says what was refused and why, with the status the API would answer."""
    status = error.status if isinstance(error, AppError) else 503 if isinstance(error, ReplicaUnavailable) else 400
    context = {"project": project, "message": error.message, "problems": problems_of(error)}
    return render(request, "refused.html", context, status=status)


def problems_of(error: AppError | EngineError) -> list[dict[str, str]]:
    """Broken rules named by an error, each {"field", "rule", "received"}; [] when it names none."""
    problems = error.extra.get("problems") if isinstance(error.extra, dict) else None
    return problems if isinstance(problems, list) else []
