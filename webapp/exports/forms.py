"""The form of an export."""

from __future__ import annotations

from typing import Any

from django import forms

from webapp.exports.models import Export


class ExportForm(forms.Form):
    """`arguments()` are those of `export_start`."""

    what = forms.ChoiceField(label="What", choices=Export.What.choices)
    format = forms.ChoiceField(choices=Export.Format.choices)
    types = forms.MultipleChoiceField(
        label="Event types",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Of events only those ticked; none ticked means every type.",
    )
    since = forms.DateTimeField(
        label="Received since",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Of events, in UTC. Empty: all that the log holds.",
    )

    def __init__(self, *args: Any, event_types: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        types = self.fields["types"]
        assert isinstance(types, forms.MultipleChoiceField)
        types.choices = [(name, name) for name in event_types]

    def arguments(self) -> dict[str, Any]:
        return dict(self.cleaned_data)
