"""The form of a batch."""

from __future__ import annotations

from typing import Any

import orjson
from django import forms

from engine.serving.requests import MAX_K
from engine.spec.deployment import MAX_EXPRESSION_CHARACTERS
from webapp.batches.models import Batch
from webapp.batches.serializers import MAX_USERS
from webapp.serving.models import Deployment

PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class BatchForm(forms.Form):
    """`arguments()` are those of `batch_start`."""

    k = forms.IntegerField(label="Items for each user", initial=10, min_value=1, max_value=MAX_K)
    deployment = forms.ChoiceField()
    user_ids = forms.CharField(
        label="Users",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "class": "short", **PLAIN}),
        help_text="One id a line. Empty: every user of the catalogue.",
    )
    filter = forms.CharField(
        required=False,
        max_length=MAX_EXPRESSION_CHARACTERS,
        widget=forms.TextInput(attrs=PLAIN),
        help_text="Only items for which this holds, such as item.price < $most.",
    )
    parameters = forms.CharField(
        required=False, widget=forms.TextInput(attrs=PLAIN), help_text='What the filter\'s $names are, as {"most": 40}.'
    )
    format = forms.ChoiceField(choices=Batch.Format.choices)

    def __init__(self, *args: Any, deployments: list[Deployment], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["deployment"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(one.name, one.name) for one in sorted(deployments, key=lambda one: not one.is_default)]

    def clean_user_ids(self) -> list[str] | None:
        ids = [line.strip() for line in self.cleaned_data["user_ids"].splitlines() if line.strip()]
        if len(ids) > MAX_USERS:
            raise forms.ValidationError(f"At most {MAX_USERS:,} users at once; {len(ids):,} were given.")
        return ids or None

    def clean_parameters(self) -> dict[str, Any]:
        text = self.cleaned_data["parameters"].strip() or "{}"
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise forms.ValidationError('This must be a JSON object, as {"most": 40}.')
        return found

    def arguments(self) -> dict[str, Any]:
        return {**self.cleaned_data, "filter": self.cleaned_data["filter"] or None}
