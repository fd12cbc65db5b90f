"""A signed-in browser without a screen: Django's client for a member of the project."""

from __future__ import annotations

import pytest
from django.test import Client

from webapp.accounts.models import Account, Membership, Project
from webapp.accounts.services import account_create

PASSWORD = "a long enough password"


@pytest.fixture
def account(project: Project) -> Account:
    member = account_create(username="member", password=PASSWORD)
    Membership.objects.create(account=member, project=project)
    return member


@pytest.fixture
def browser(account: Account) -> Client:
    """Checks CSRF as the server does; `force_login` leaves no token, so forms are posted through `page.submit`."""
    client = Client()
    client.force_login(account)
    return client
