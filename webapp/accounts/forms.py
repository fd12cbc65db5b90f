"""Forms of the console's own things: signing in, projects and API keys."""

from __future__ import annotations

from django import forms
from django.contrib.auth.forms import AuthenticationForm

from webapp.accounts.models import Scope, slug_validator


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "That name and password do not belong together. Both are case-sensitive.",
        "inactive": "This account is closed.",
    }


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
