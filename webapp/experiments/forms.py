"""The form that splits traffic: a share for each deployment, in per cent, a hold-out, shadows and a guardrail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms

from webapp.experiments.choosing import NUM_PARTS
from webapp.experiments.models import Guardrail
from webapp.experiments.services import MAX_TOLERANCE, Design, Rail
from webapp.serving.models import Deployment

PARTS_PER_PERCENT = NUM_PARTS // 100
Shares = list[tuple[Deployment, int]]


def _percent(label: str) -> forms.DecimalField:
    return forms.DecimalField(label=label, min_value=0, max_value=100, decimal_places=2, required=False)


class ExperimentForm(forms.Form):
    """`arms()` answers (deployment, parts of 10,000) for every deployment given a share, `design()` the rest."""

    name = forms.CharField(
        max_length=63,
        help_text="Lower case letters, digits and underscores; used once.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )
    metric = forms.ChoiceField(required=False, help_text="What it is decided by.")
    control = forms.ChoiceField(required=False, help_text="What the others are compared with.")
    holdout = _percent("Hold-out, %")
    guardrail_metric = forms.ChoiceField(label="Guardrail on", required=False)
    guardrail_harm = forms.ChoiceField(label="Harm", choices=Guardrail.Harm.choices, required=False)
    guardrail_tolerance = forms.DecimalField(
        label="Tolerance, %", min_value=0, max_value=int(100 * MAX_TOLERANCE), initial=0, required=False
    )
    guardrail_min_users = forms.IntegerField(
        label="From users", min_value=2, max_value=10_000_000, initial=200, required=False, help_text="In each arm."
    )

    def __init__(self, *args: Any, deployments: Iterable[Deployment], metrics: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.deployments = list(deployments)
        self.fields["holdout"].help_text = "Users answered without personalisation: what is trending and new."
        chosen = [(name, name) for name in metrics]
        self._choices("metric", [("", "the first action's rate"), *chosen])
        self._choices("guardrail_metric", [("", "none"), *chosen])
        arms = [(one.name, one.name) for one in self.deployments]
        self._choices("control", [("", "the default deployment"), *arms, ("holdout", "the hold-out")])
        for deployment in self.deployments:
            self.fields[f"share_{deployment.pk}"] = _percent(f"{deployment.name}, %")
            self.fields[f"shadow_{deployment.pk}"] = _percent(f"{deployment.name} as a shadow, %")

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    @property
    def share_fields(self) -> list[forms.BoundField]:
        return [self[f"share_{deployment.pk}"] for deployment in self.deployments] + [self["holdout"]]

    @property
    def shadow_fields(self) -> list[forms.BoundField]:
        return [self[f"shadow_{deployment.pk}"] for deployment in self.deployments]

    @property
    def guardrail_fields(self) -> list[forms.BoundField]:
        return [self[f"guardrail_{name}"] for name in ("metric", "harm", "tolerance", "min_users")]

    def arms(self) -> Shares:
        return self._shares("share")

    def design(self) -> Design:
        data = self.cleaned_data
        holdout = round((data.get("holdout") or 0) * PARTS_PER_PERCENT)
        rails = []
        if data.get("guardrail_metric"):
            tolerance = float(data.get("guardrail_tolerance") or 0) / 100
            harm = data["guardrail_harm"] or Guardrail.Harm.DECREASE
            rails.append(Rail(data["guardrail_metric"], harm, tolerance, data.get("guardrail_min_users") or 200))
        return Design(
            holdout=(None, holdout) if holdout else None,
            shadows=self._shares("shadow"),
            control=data.get("control") or None,
            guardrails=rails,
            metric=data.get("metric") or "",
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        total = sum(share for _, share in self.arms()) + round((cleaned.get("holdout") or 0) * PARTS_PER_PERCENT)
        if total != NUM_PARTS:
            raise forms.ValidationError(f"The shares must sum to 100% (they sum to {total / PARTS_PER_PERCENT:g}%).")
        return cleaned

    def _shares(self, kind: str) -> Shares:
        shares = ((one, self.cleaned_data.get(f"{kind}_{one.pk}")) for one in self.deployments)
        return [(deployment, round(share * PARTS_PER_PERCENT)) for deployment, share in shares if share]
