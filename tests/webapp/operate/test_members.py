"""Who may do what in a project, and how people come to be members: by an owner, or by a link that works once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from webapp.accounts import member_services as services
from webapp.accounts.models import Account, Invitation, Membership, Project, Role
from webapp.accounts.services import account_create
from webapp.audit.models import AuditEntry
from webapp.core.errors import Conflict, Invalid, NotFound

PASSWORD = "a long enough password"
As = Callable[[str], Client]


@pytest.fixture
def signed_in_as(project: Project) -> As:
    """A browser of a member with the role."""

    def sign_in(role: str) -> Client:
        account = account_create(username=f"the-{role}", password=PASSWORD)
        Membership.objects.create(account=account, project=project, role=role)
        client = Client()
        client.force_login(account)
        return client

    return sign_in


def page(name: str, project: Project, *args: object) -> str:
    return reverse(name, args=[project.slug, *args])


def role_of(account: Account, project: Project) -> str:
    return Membership.objects.get(account=account, project=project).role


def test_it_makes_members_of_before_owners(account: Account, project: Project) -> None:
    assert role_of(account, project) == "owner"


def test_it_shows_a_viewer_pages_and_refuses_what_would_change_something(signed_in_as: As, project: Project) -> None:
    viewer = signed_in_as("viewer")
    for name in ("overview", "models", "alerts", "alert_rules", "api_keys", "members", "audit"):
        shown = viewer.get(page(name, project))
        assert shown.status_code == 200, name
    answer = viewer.post(page("model_new", project), {"name": "x", "document": "{}"})
    assert answer.status_code == 403
    assert "you are a viewer of this project" in answer.content.decode()
    keys = viewer.get(page("api_keys", project)).content.decode()
    assert "Create key" not in keys
    assert viewer.post(page("api_keys", project), {"name": "x", "scopes": ["ingest"]}).status_code == 403
    assert not project.api_keys.exists()


def test_it_lets_an_editor_change_things_but_members_and_keys_that_manage(signed_in_as: As, project: Project) -> None:
    editor = signed_in_as("editor")
    assert editor.post(page("api_keys", project), {"name": "app", "scopes": ["ingest"]}).status_code == 200
    assert editor.post(page("api_keys", project), {"name": "all", "scopes": ["manage"]}).status_code == 400
    assert [key.name for key in project.api_keys.all()] == ["app"]
    assert editor.post(page("members", project), {"role": "owner", "days": "7"}).status_code == 403
    assert editor.post(page("member_add", project), {"username": "x", "role": "owner"}).status_code == 403
    mine = Membership.objects.get(project=project, account__username="the-editor")
    promoted = editor.post(page("member_act", project, mine.pk), {"act": "role", "role": "owner"})
    assert promoted.status_code == 403
    mine.refresh_from_db()
    assert mine.role == "editor"


def test_it_lets_only_owners_revoke_a_key_that_manages(signed_in_as: As, project: Project) -> None:
    owner, editor = signed_in_as("owner"), signed_in_as("editor")
    owner.post(page("api_keys", project), {"name": "all", "scopes": ["manage"]})
    key = project.api_keys.get()
    for act in ("api_key_revoke", "api_key_rotate"):
        assert editor.post(page(act, project, key.pk), {"hours": "1"}).status_code == 403
    assert owner.post(page("api_key_revoke", project, key.pk)).status_code == 302


def test_it_adds_changes_and_removes_members(browser: Client, account: Account, project: Project) -> None:
    ann = account_create(username="ann", password=PASSWORD)
    assert browser.post(page("member_add", project), {"username": "ann", "role": "viewer"}).status_code == 302
    assert browser.post(page("member_add", project), {"username": "ann", "role": "viewer"}).status_code == 400
    assert browser.post(page("member_add", project), {"username": "nobody", "role": "viewer"}).status_code == 400
    membership = Membership.objects.get(account=ann)
    act = page("member_act", project, membership.pk)
    assert browser.post(act, {"act": "role", "role": "editor"}).status_code == 302
    assert role_of(ann, project) == "editor"
    assert browser.post(act, {"act": "role", "role": "king"}).status_code == 400
    assert browser.post(act, {"act": "remove"}).status_code == 302
    assert not Membership.objects.filter(account=ann).exists()
    done = AuditEntry.objects.filter(project=project, target="member ann").values_list("action", "actor_name")
    assert list(done) == [("member_remove", "member"), ("member_set_role", "member"), ("member_add", "member")]


def test_it_keeps_the_last_owner(browser: Client, account: Account, project: Project, signed_in_as: As) -> None:
    me = Membership.objects.get(account=account)
    for given in ({"act": "remove"}, {"act": "role", "role": "viewer"}):
        answer = browser.post(page("member_act", project, me.pk), given)
        assert answer.status_code == 409
        assert "last owner" in answer.content.decode()
    signed_in_as("owner")
    assert browser.post(page("member_act", project, me.pk), {"act": "remove"}).status_code == 302
    assert browser.get(page("overview", project)).status_code == 404


def test_it_lets_everybody_leave(signed_in_as: As, project: Project, account: Account) -> None:
    viewer = signed_in_as("viewer")
    other = Membership.objects.get(account=account)
    assert viewer.post(page("member_act", project, other.pk), {"act": "remove"}).status_code == 403


def test_it_invites_by_a_link_that_works_once(browser: Client, project: Project) -> None:
    shown = browser.post(page("members", project), {"role": "editor", "days": "7", "note": "Bea"}).content.decode()
    link = shown.split("data-link>")[1].split("<")[0]
    invitation = Invitation.objects.get()
    assert link.rsplit("/", 1)[1] not in invitation.token_sha256
    assert link not in browser.get(page("members", project)).content.decode()
    guest = Client()
    assert "Make an account and join" in guest.get(link).content.decode()
    assert guest.post(link, {"username": "bea", "password": "short"}).status_code == 400
    joined = guest.post(link, {"username": "bea", "password": PASSWORD})
    assert joined.status_code == 302
    assert guest.get(joined.headers["Location"]).status_code == 200
    assert role_of(Account.objects.get(username="bea"), project) == "editor"
    assert Client().get(link).status_code == 404
    entry = AuditEntry.objects.get(action="invitation_accept")
    assert (entry.actor_name, entry.details["invited_by"]) == ("bea", "member")


def test_it_lets_an_account_join_and_keeps_the_link_of_one_that_is_a_member(
    browser: Client, account: Account, project: Project
) -> None:
    _, token = services.invitation_create(
        project=project, role="viewer", account=account, lasts=timedelta(days=1), now=timezone.now()
    )
    link = reverse("join", args=[token])
    assert "is a member already" in browser.post(link).content.decode()
    guest = Client()
    guest.force_login(account_create(username="ann", password=PASSWORD))
    assert "Join as ann" in guest.get(link).content.decode()
    assert guest.post(link).status_code == 302
    assert role_of(Account.objects.get(username="ann"), project) == "viewer"


def test_it_withdraws_invitations_and_lets_them_grow_old(browser: Client, account: Account, project: Project) -> None:
    now = timezone.now()
    first, token = services.invitation_create(
        project=project, role="viewer", account=account, lasts=timedelta(days=1), now=now
    )
    ann = account_create(username="ann", password=PASSWORD)
    with pytest.raises(NotFound):
        services.invitation_accept(token=token, account=ann, now=now + timedelta(days=1))
    assert browser.post(page("invitation_withdraw", project, first.pk)).status_code == 302
    with pytest.raises(NotFound):
        services.invitation_accept(token=token, account=ann, now=now)
    with pytest.raises(Invalid):
        services.invitation_create(project=project, role="viewer", account=account, lasts=timedelta(days=31), now=now)


def test_it_touches_no_member_of_another_project(browser: Client, other_project: Project, project: Project) -> None:
    theirs = Membership.objects.create(
        account=account_create(username="ann", password=PASSWORD), project=other_project, role=Role.OWNER
    )
    assert browser.post(page("member_act", project, theirs.pk), {"act": "remove"}).status_code == 404
    assert "ann" not in browser.get(page("members", project)).content.decode()
    with pytest.raises(Conflict):
        services.member_remove(membership=theirs)
