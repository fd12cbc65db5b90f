"""The form that splits traffic: a share for each deployment, in per cent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from webapp.experiments.choosing import NUM_PARTS
from webapp.serving.models import Deployment

PARTS_PER_PERCENT = NUM_PARTS // 100


class ExperimentForm(forms.Form):
    """`arms()` answers (deployment, parts of 10,000) for every deployment given a share."""

    name = forms.CharField(
        max_length=63,
        help_text="Lower case letters, digits and underscores; used once.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )

    def __init__(self, *args: Any, deployments: Iterable[Deployment], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deployments = list(deployments)
        for deployment in self.deployments:
            self.fields[f"share_{deployment.pk}"] = forms.DecimalField(
                label=f"{deployment.name}, %", min_value=0, max_value=100, decimal_places=2, required=False
            )

    @property
    def share_fields(self) -> list[forms.BoundField]:
        return [self[f"share_{deployment.pk}"] for deployment in self.deployments]

    def arms(self) -> list[tuple[Deployment, int]]:
        shares = ((one, self.cleaned_data.get(f"share_{one.pk}")) for one in self.deployments)
        return [(deployment, round(share * PARTS_PER_PERCENT)) for deployment, share in shares if share]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        total = sum(share for _, share in self.arms())
        if total != NUM_PARTS:
            raise forms.ValidationError(f"The shares must sum to 100% (they sum to {total / PARTS_PER_PERCENT:g}%).")
        return cleaned
