"""The console's door: who is signed in, whether they belong to the project, and how a refusal looks on a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render

from engine.errors import EngineError, ReplicaUnavailable
from webapp.accounts import selectors
from webapp.accounts.models import Account, Membership, Project, Role
from webapp.audit.acting import act_as_account
from webapp.core.errors import AppError, Forbidden, NotFound

Page = Callable[..., HttpResponseBase]
Stream = Callable[..., Awaitable[HttpResponseBase]]

MEMBERSHIP: Final = "membership"
ONLY_READS: Final = "only_reads"
READING: Final = ("GET", "HEAD", "OPTIONS")

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
    """Hands the view the project named by the URL's slug; 404 unless the signed-in account is a member of it.

    A viewer's POST is refused with a page, unless the view is `only_reads`.
    """

    @login_required
    @wraps(view)
    def page(request: HttpRequest, slug: str, **parts: Any) -> HttpResponseBase:
        account = account_of(request)
        membership = _membership(account, slug)
        project = membership.project
        setattr(request, MEMBERSHIP, membership)
        act_as_account(account.get_username(), address_of(request))
        try:
            if request.method not in READING and not hasattr(view, ONLY_READS):
                require_role(request, Role.EDITOR)
            return view(request, project, **parts)
        except NotFound as error:
            raise Http404(error.message) from error
        except REFUSALS as error:
            return refusal(request, error, project)

    return page


def only_reads(view: Page) -> Page:
    """Marks a view whose POST changes nothing (a preview of a long form), or that asks for the role where it does, so that viewers may ask
    for it. Goes under `project_page`.
    """
    setattr(view, ONLY_READS, True)
    return view


def require_role(request: HttpRequest, role: Role) -> None:
    """For views behind `project_page`. Raises `Forbidden` for a member with less than this role."""
    if not has_role(request, role):
        mine = getattr(request, MEMBERSHIP).role
        article = "an" if role != Role.VIEWER else "a"
        raise Forbidden(
            f"This takes {article} {role.label.lower()}; you are {'a viewer' if mine == Role.VIEWER else 'an editor'} of this "
            "project. An owner can change your role on the page Members.",
        )


def has_role(request: HttpRequest, role: Role) -> bool:
    """Whether the member has this role or a higher one; False on a page of no project."""
    membership: Membership | None = getattr(request, MEMBERSHIP, None)
    if membership is None:
        return False
    return Role.values.index(membership.role) >= Role.values.index(role)


def roles(request: HttpRequest) -> dict[str, bool]:
    """For templates: `may_edit` and `is_owner`, of the project at hand."""
    return {"may_edit": has_role(request, Role.EDITOR), "is_owner": has_role(request, Role.OWNER)}


def project_stream(view: Stream) -> Any:
    """As `project_page`, for async views that answer a stream: 401 when nobody is signed in, since nothing can follow a redirect."""

    @wraps(view)
    async def stream(request: HttpRequest, slug: str, **parts: Any) -> HttpResponseBase:
        account = await request.auser()
        if not isinstance(account, Account):
            return HttpResponse("sign in first", status=401, content_type="text/plain")
        membership = await sync_to_async(_membership)(account, slug)
        project = membership.project
        setattr(request, MEMBERSHIP, membership)
        act_as_account(account.get_username(), address_of(request))
        try:
            return await view(request, project, **parts)
        except NotFound as error:
            raise Http404(error.message) from error

    return stream


def _membership(account: Account, slug: str) -> Membership:
    try:
        return selectors.membership_for(account=account, slug=slug)
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
