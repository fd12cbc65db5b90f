"""Forms of the console's own things: signing in, projects and API keys."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from webapp.accounts.models import Scope, slug_validator
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


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=120, help_text="Which system will use it.")
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices,
        initial=[Scope.INGEST, Scope.RECOMMEND],
        label="May",
        widget=forms.CheckboxSelectMultiple,
    )
