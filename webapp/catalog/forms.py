"""The upload form: a small file of events, and for CSV which column means what."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from engine.spec.schema import Schema

TIME_FORMS = [
    ("text", "RFC 3339 text, such as 2026-01-31T08:30:00Z"),
    ("s", "seconds since 1970"),
    ("ms", "milliseconds since 1970"),
]
COLUMNS = {
    "type": ("Event type column", ""),
    "user_id": ("User id column", "user_id"),
    "item_id": ("Item id column", "item_id"),
    "timestamp": ("Time column", "timestamp"),
    "event_id": ("Event id column", ""),
    "recommendation_id": ("Recommendation id column", ""),
}


class UploadForm(forms.Form):
    """`cleaned_data["columns"]` maps a field of an event to the CSV header that holds it; an empty header is left out."""

    file = forms.FileField(
        label="File",
        help_text="CSV with a header line, or JSONL with one event a line.",
        widget=forms.FileInput(attrs={"accept": ".csv,.jsonl,.ndjson,.json,text/csv"}),
    )
    event_type = forms.ChoiceField(
        label="Every row is", required=False, help_text="Or choose the column that says it below."
    )
    time_form = forms.ChoiceField(label="Times are", choices=TIME_FORMS, required=False)

    def __init__(self, *args: Any, schema: Schema, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        event_type = self.fields["event_type"]
        assert isinstance(event_type, forms.ChoiceField)
        event_type.choices = [("", "as its column says"), *((name, name) for name in schema.events)]
        for name, (label, header) in COLUMNS.items():
            self.fields[f"column_{name}"] = forms.CharField(
                label=label,
                required=False,
                initial=header,
                max_length=200,
                widget=forms.TextInput(
                    attrs={"list": "headers", "autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
                ),
            )

    @property
    def column_fields(self) -> list[forms.BoundField]:
        return [self[f"column_{name}"] for name in COLUMNS]

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        limit: int = settings.MAX_BODY_BYTES
        if file.size is not None and file.size > limit:
            raise forms.ValidationError(
                f"The file has {file.size:,} bytes; a page takes at most {limit:,}. Use manage.py load_events."
            )
        return file

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        cleaned["columns"] = {name: cleaned[f"column_{name}"] for name in COLUMNS if cleaned.get(f"column_{name}")}
        return cleaned
