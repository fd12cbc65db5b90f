"""Forms of the console's own things: signing in, projects and API keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from webapp.accounts.models import Role, Scope, slug_validator
from webapp.accounts.sign_in_attempts import Attempt


class SignInForm(AuthenticationForm):
    """`is_throttled` once the form was refused because of how often it was sent, the password not looked at."""

    is_throttled = False
    error_messages = {
        "invalid_login": "That name and password do not belong together. Both are case-sensitive.",
        "inactive": "This account is closed.",
    }

    def clean(self) -> dict[str, Any]:
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        attempt = Attempt(self.cleaned_data.get("username", ""), address)
        if wait_s := attempt.wait_s():
            self.is_throttled = True
            minutes = -(-wait_s // 60)
            raise forms.ValidationError(
                f"Too many attempts to sign in. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
            )
        cleaned = super().clean()
        attempt.succeeded()
        return cleaned


class ProjectForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="What people call it.")
    slug = forms.CharField(
        max_length=40,
        label="Short name",
        validators=[slug_validator],
        help_text="In addresses and topics, fixed for ever: lower case letters, digits and hyphens.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )


LIVES = (("", "never"), ("7", "in 7 days"), ("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"))
GRACES = (("24", "1 day"), ("1", "1 hour"), ("168", "1 week"), ("0", "not at all"))


class ApiKeyForm(forms.Form):
    """`may_manage`: whether the scope manage may be chosen."""

    name = forms.CharField(max_length=120, help_text="Which system will use it.")
    ends = forms.ChoiceField(
        choices=LIVES, required=False, label="Ends", help_text="After that it is refused like a revoked one."
    )
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        initial=[Scope.INGEST, Scope.RECOMMEND],
        label="May",
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, may_manage: bool, **named: Any) -> None:
        super().__init__(*args, **named)
        if not may_manage:
            scopes = self.fields["scopes"]
            assert isinstance(scopes, forms.MultipleChoiceField)
            scopes.choices = [(value, label) for value, label in Scope.choices if value != Scope.MANAGE]
            scopes.help_text = "Only owners make keys with the scope manage."

    def expires_at(self, now: datetime) -> datetime | None:
        """Of a valid form."""
        days = self.cleaned_data["ends"]
        return now + timedelta(days=int(days)) if days else None


class RotateForm(forms.Form):
    hours = forms.ChoiceField(choices=GRACES, label="The old key goes on working for")


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role, label="Role")


class MemberForm(RoleForm):
    username = forms.CharField(
        max_length=150,
        label="Name of the account",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )
    field_order = ["username", "role"]


class InvitationForm(RoleForm):
    note = forms.CharField(
        max_length=120, required=False, label="For whom", help_text="Only to tell invitations apart."
    )
    days = forms.ChoiceField(
        choices=(("7", "7 days"), ("1", "1 day"), ("30", "30 days")), label="The link holds for", required=True
    )
    field_order = ["note", "role", "days"]


class NewAccountForm(forms.Form):
    """An account for whoever was invited."""

    username = forms.CharField(
        max_length=150, widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "username"})
    )
    password = forms.CharField(
        max_length=128,
        help_text="At least 10 characters, and not a common one.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
