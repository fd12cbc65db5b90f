"""Forms of serving: a deployment, and a request on the try-it page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from engine.serving.requests import MAX_K
from engine.spec.values import BrokenRule, check_id
from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion
from webapp.registry.selectors import versions_of_kinds
from webapp.serving.models import Deployment
from webapp.serving.services import KINDS_OF_ROLE

PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


def version_field(project: Project, kinds: Sequence[str]) -> forms.ModelChoiceField[ModelVersion]:
    versions = versions_of_kinds(project=project, kinds=kinds)
    return forms.ModelChoiceField(queryset=versions, required=False, empty_label="none")


class DeploymentForm(forms.Form):
    """Which versions answer together. The service checks that they fit."""

    name = forms.CharField(max_length=63, widget=forms.TextInput(attrs=PLAIN))

    def __init__(self, *args: Any, project: Project, deployment: Deployment | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for role, kinds in KINDS_OF_ROLE.items():
            self.fields[role] = version_field(project, kinds)
        self.fields["retrieval"].help_text = "Finds items in the catalogue."
        self.fields["ranking"].help_text = "Orders what was found."
        if deployment:
            del self.fields["name"]
            self.initial = {"retrieval": deployment.retrieval_id, "ranking": deployment.ranking_id}


class TryForm(forms.Form):
    user_id = forms.CharField(
        max_length=256, label="User", widget=forms.TextInput(attrs={**PLAIN, "list": "recent-users"})
    )
    k = forms.IntegerField(min_value=1, max_value=MAX_K, initial=10, label="How many")

    def clean_user_id(self) -> str:
        try:
            return check_id(self.cleaned_data["user_id"])
        except BrokenRule as broken:
            raise forms.ValidationError(f"A user id {broken}.") from None
