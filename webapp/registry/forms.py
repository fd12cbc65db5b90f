"""Forms of the registry: a document as text, with a note that says why."""

from __future__ import annotations

from typing import Any

from django import forms

from webapp.core.strict_json import BrokenJson, read_json


class DocumentForm(forms.Form):
    """JSON text. Whether it is a valid document is for the service to say; here it only has to be JSON."""

    document = forms.CharField(
        label="Document",
        widget=forms.Textarea(attrs={"rows": 26, "spellcheck": "false", "autocapitalize": "none"}),
    )
    note = forms.CharField(max_length=200, required=False, help_text="Why it changes; shown in the list of versions.")

    def clean_document(self) -> Any:
        text = self.cleaned_data["document"]
        try:
            return read_json(text)
        except BrokenJson as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from None
