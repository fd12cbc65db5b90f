"""The audit page's filter."""

from __future__ import annotations

from datetime import UTC

from django import forms

from webapp.audit.selectors import AuditFilter

MOMENT = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class AuditFilterForm(forms.Form):
    actor = forms.CharField(
        required=False, max_length=200, label="Who", widget=forms.TextInput(attrs={"list": "actors"})
    )
    action = forms.CharField(
        required=False, max_length=64, label="Did what", widget=forms.TextInput(attrs={"list": "actions"})
    )
    target = forms.CharField(
        required=False,
        max_length=300,
        label="To what",
        widget=forms.TextInput(attrs={"placeholder": "deployment main"}),
    )
    since = forms.DateTimeField(required=False, label="Since (UTC)", widget=MOMENT)
    until = forms.DateTimeField(required=False, label="Before (UTC)", widget=MOMENT)

    def wanted(self) -> AuditFilter:
        """Of a valid form."""
        given = self.cleaned_data
        moments = {name: given[name].astimezone(UTC) if given[name] else None for name in ("since", "until")}
        return AuditFilter(given["actor"], given["action"], given["target"].strip(), **moments)
