"""Forms of the registry: a document as text, with a note that says why."""

from __future__ import annotations

import json
from typing import Any

from django import forms


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
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise forms.ValidationError(
                f"This is not JSON: {error.msg}, at line {error.lineno}, column {error.colno}."
            ) from None
