"""What one may ask of the inspector: a recommendation by its id, or a user now. Both are GET, so that what is seen can be shared."""

from __future__ import annotations

from typing import Any

from django import forms

from engine.spec.deployment import MAX_EXPRESSION_CHARACTERS
from engine.spec.values import BrokenRule, check_id
from webapp.accounts.models import Project
from webapp.inspecting.asking import Tried
from webapp.serving.deployment_selectors import deployments_of
from webapp.serving.forms import PLAIN

MAX_INSPECTED = 50


class FindForm(forms.Form):
    recommendation_id = forms.CharField(max_length=256, label="Recommendation", widget=forms.TextInput(attrs=PLAIN))
    at = forms.DateTimeField(
        required=False,
        label="About when (UTC)",
        help_text="Only for one older than what is kept by id.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class AskForm(forms.Form):
    user_id = forms.CharField(
        max_length=256, required=False, label="User", widget=forms.TextInput(attrs={**PLAIN, "list": "recent-users"})
    )
    k = forms.IntegerField(min_value=1, max_value=MAX_INSPECTED, required=False, label="Items")
    deployment = forms.ChoiceField(required=False, label="Deployment")
    filter = forms.CharField(max_length=MAX_EXPRESSION_CHARACTERS, required=False, label="Filter of the request")
    against_user = forms.CharField(max_length=256, required=False, label="Compare with user")
    against = forms.ChoiceField(required=False, label="Compare with deployment")

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = list(deployments_of(project=project).filter(is_active=True).values_list("name", flat=True))
        for field, empty in (("deployment", "as for anybody"), ("against", "nothing")):
            chosen = self.fields[field]
            assert isinstance(chosen, forms.ChoiceField)
            chosen.choices = [("", empty), *((name, name) for name in names)]
        for field in ("filter", "against_user"):
            self.fields[field].widget.attrs.update(PLAIN)
        self.fields["against_user"].widget.attrs["list"] = "recent-users"

    def clean_user_id(self) -> str:
        return _id(self.cleaned_data["user_id"])

    def clean_against_user(self) -> str:
        return _id(self.cleaned_data["against_user"])

    def asked(self) -> Tried:
        data = self.cleaned_data
        return Tried(data["user_id"], data["k"] or 10, data["deployment"] or None, data["filter"])

    def compared_with(self) -> Tried | None:
        """The other question; None when nothing is to be compared."""
        data, asked = self.cleaned_data, self.asked()
        if not (data["against"] or data["against_user"]):
            return None
        return Tried(data["against_user"] or asked.user_id, asked.k, data["against"] or asked.deployment, asked.filter)


def _id(text: str) -> str:
    try:
        return check_id(text) if text else ""
    except BrokenRule as broken:
        raise forms.ValidationError(f"A user id {broken}.") from None
