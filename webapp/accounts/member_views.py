"""Members of a project and their roles; invitations, and what one leads to."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from webapp.accounts import member_services, selectors, services
from webapp.accounts.console import REFUSALS, account_of, address_of, project_page, require_role
from webapp.accounts.forms import InvitationForm, MemberForm, NewAccountForm, RoleForm
from webapp.accounts.models import ROLE_WORDS, Account, Project, Role
from webapp.audit.acting import act_as_account
from webapp.core.errors import Conflict, Invalid, NotFound


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def members(request: HttpRequest, project: Project) -> HttpResponse:
    """A POST invites, and answers with the link, which is shown once."""
    invite = InvitationForm(request.POST or None)
    link = ""
    if request.method == "POST":
        require_role(request, Role.OWNER)
        if invite.is_valid():
            _, token = member_services.invitation_create(
                project=project,
                role=invite.cleaned_data["role"],
                note=invite.cleaned_data["note"],
                lasts=timedelta(days=int(invite.cleaned_data["days"])),
                account=account_of(request),
                now=timezone.now(),
            )
            link = request.build_absolute_uri(reverse("join", args=[token]))
            invite = InvitationForm()
    return _page(request, project, MemberForm(), invite, link)


@require_POST
@project_page
def member_add(request: HttpRequest, project: Project) -> HttpResponse:
    require_role(request, Role.OWNER)
    form = MemberForm(request.POST)
    if form.is_valid():
        try:
            member_services.member_add(project=project, **form.cleaned_data)
        except REFUSALS as error:
            form.add_error("username", error.message)
        else:
            messages.success(request, f"{form.cleaned_data['username']} is a member.")
            return redirect("members", project.slug)
    return _page(request, project, form, InvitationForm(), "")


@require_POST
@project_page
def member_act(request: HttpRequest, project: Project, membership_id: int) -> HttpResponse:
    """Gives another role, or removes; everybody may remove themselves but the last owner."""
    membership = selectors.membership_get(project=project, membership_id=membership_id)
    name, is_me = membership.account.get_username(), membership.account_id == account_of(request).pk
    act = request.POST.get("act", "")
    if act == "remove":
        if not is_me:
            require_role(request, Role.OWNER)
        member_services.member_remove(membership=membership)
        messages.success(request, f"You left {project.name}." if is_me else f"{name} is no member any more.")
        return redirect("home") if is_me else redirect("members", project.slug)
    require_role(request, Role.OWNER)
    form = RoleForm(request.POST)
    if act != "role" or not form.is_valid():
        raise Invalid.field("role", f"must be one of {', '.join(Role.values)}", repr(request.POST.get("role", "")[:20]))
    kept = member_services.member_set_role(membership=membership, role=form.cleaned_data["role"])
    messages.success(request, f"{name} is {kept.get_role_display().lower()}.")
    return redirect("members", project.slug)


@require_POST
@project_page
def invitation_withdraw(request: HttpRequest, project: Project, invitation_id: int) -> HttpResponse:
    require_role(request, Role.OWNER)
    member_services.invitation_withdraw(
        invitation=selectors.invitation_get(project=project, invitation_id=invitation_id)
    )
    messages.success(request, "The invitation is withdrawn.")
    return redirect("members", project.slug)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """What an invitation's link leads to: joining with the account that is signed in, or with a new one."""
    try:
        invitation = selectors.invitation_for(token=token, now=timezone.now())
    except NotFound as error:
        return render(request, "accounts/join_no_more.html", {"message": error.message}, status=404)
    is_known = isinstance(request.user, Account)
    form = NewAccountForm(request.POST if request.method == "POST" and not is_known else None)
    if request.method == "POST" and (is_known or form.is_valid()):
        try:
            account = account_of(request) if is_known else services.account_create(**form.cleaned_data)
            act_as_account(account.get_username(), address_of(request))
            membership = member_services.invitation_accept(token=token, account=account, now=timezone.now())
        except (Conflict, Invalid) as error:
            form.add_error(None, error.message) if form.is_bound else messages.error(request, error.message)
        except NotFound as error:
            raise Http404(error.message) from error
        else:
            if not is_known:
                login(request, account)
            messages.success(request, f"Welcome to {membership.project.name}.")
            return redirect("overview", membership.project.slug)
    context = {
        "invitation": invitation,
        "form": form,
        "words": ROLE_WORDS[invitation.role],
        "is_known": is_known,
        "sign_in": f"{reverse('sign_in')}?next={request.path}",
    }
    return render(request, "accounts/join.html", context, status=400 if form.errors else 200)


def _page(request: HttpRequest, project: Project, add: MemberForm, invite: InvitationForm, link: str) -> HttpResponse:
    context = {
        "project": project,
        "page": "members",
        "members": selectors.memberships_of(project=project)[:500],
        "invitations": selectors.invitations_of(project=project),
        "now": timezone.now(),
        "add": add,
        "invite": invite,
        "link": link,
        "roles": [(role.value, role.label, ROLE_WORDS[role]) for role in Role],
        "me": request.user,
    }
    return render(request, "accounts/members.html", context, status=400 if add.errors or invite.errors else 200)
