"""The rules as one form, and a new channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django import forms
from django.forms import BoundField

from webapp.alerts.kinds import KINDS, AlertKind
from webapp.alerts.models import AlertChannel
from webapp.alerts.rules import Rule
from webapp.alerts.services import MAX_FOR_S, RuleChange

SILENCES = (("1", "1 hour"), ("4", "4 hours"), ("24", "1 day"), ("168", "1 week"))


@dataclass(frozen=True)
class RuleRow:
    """A rule with its controls."""

    rule: Rule
    is_on: BoundField
    threshold: BoundField | None
    for_s: BoundField | None


class RulesForm(forms.Form):
    """A row for each kind: whether it is on, its threshold, and for how long."""

    def __init__(self, data: Mapping[str, object] | None, *, rules: Mapping[AlertKind, Rule]) -> None:
        super().__init__(data)
        self._rules = rules
        for kind, rule in rules.items():
            label = rule.spec.label
            self.fields[f"{kind}-on"] = forms.BooleanField(
                required=False, initial=rule.is_on, label=f"Watch {label}", label_suffix=""
            )
            if not rule.spec.has_threshold:
                continue
            self.fields[f"{kind}-threshold"] = forms.FloatField(
                min_value=0, initial=f"{rule.threshold:g}", label=f"Limit of {label} in {rule.spec.unit}"
            )
            self.fields[f"{kind}-for"] = forms.IntegerField(
                min_value=0, max_value=MAX_FOR_S, initial=rule.for_s, label=f"Seconds above the limit, {label}"
            )

    def rows(self) -> Iterator[RuleRow]:
        for kind, rule in self._rules.items():
            has = rule.spec.has_threshold
            yield RuleRow(
                rule,
                self[f"{kind}-on"],
                self[f"{kind}-threshold"] if has else None,
                self[f"{kind}-for"] if has else None,
            )

    def changes(self) -> list[RuleChange]:
        """Of a valid form."""
        given = self.cleaned_data
        return [
            RuleChange(
                kind,
                given[f"{kind}-on"],
                given.get(f"{kind}-threshold", KINDS[kind].threshold),
                given.get(f"{kind}-for", KINDS[kind].for_s),
            )
            for kind in self._rules
        ]


class ChannelForm(forms.Form):
    kind = forms.ChoiceField(choices=AlertChannel.Kind, label="By")
    address = forms.CharField(
        max_length=500,
        label="To",
        help_text="A webhook's URL, or an e-mail address.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}),
    )


class SilenceForm(forms.Form):
    hours = forms.ChoiceField(choices=(*SILENCES, ("0", "no longer")), label="For")
