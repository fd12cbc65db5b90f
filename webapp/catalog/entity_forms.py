"""Forms of users and items: what is looked for, and properties by the schema."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

import orjson
from django import forms

from engine.spec.document import shorten
from engine.spec.schema import Property, PropertyType
from engine.spec.values import BrokenRule, check_id
from webapp.catalog.entity_search import EntityQuery
from webapp.catalog.property_texts import NO, YES, sought_of, text_of, value_of

NUM_COLUMNS = 4
"""So many properties are columns unless others are chosen."""

MAX_JSON_CHARACTERS = 1_000_000


class EntitySearchForm(forms.Form):
    """The filters above a list, as its address has them. `query` is what they ask for, `columns` which properties are shown."""

    q = forms.CharField(label="Search", required=False, max_length=256, strip=True)
    hidden = forms.ChoiceField(
        label="Shown", required=False, choices=[("", "all"), (NO, "not hidden"), (YES, "only hidden")]
    )
    since = forms.DateField(
        label="Created since", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    value = forms.CharField(label="is", required=False, max_length=4096)
    column = forms.MultipleChoiceField(label="Columns", required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, declared: Mapping[str, Property], has_hidden: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._declared = declared
        if not has_hidden:
            del self.fields["hidden"]
        # Its name in addresses is Python's for what follows a method.
        self.fields["property"] = forms.ChoiceField(label="Property", required=False)
        sought = [name for name, one in declared.items() if one.type is not PropertyType.VECTOR]
        self._choices("property", [("", "any property"), *((name, name) for name in sought)])
        self._choices("column", [(name, name) for name in declared])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        name, text = cleaned.get("property"), cleaned.get("value")
        if text and not name:
            self.add_error("property", "Choose the property that is so.")
        if name and text:
            try:
                cleaned["sought"] = {name: sought_of(text, self._declared[name])}
            except BrokenRule as broken:
                self.add_error("value", f"{name} {broken}")
        return cleaned

    @property
    def query(self) -> EntityQuery:
        """Of a form that is good; what is wrong asks for nothing."""
        data: dict[str, Any] = getattr(self, "cleaned_data", {})
        since = data.get("since")
        return EntityQuery(
            text=data.get("q") or "",
            values=data.get("sought", {}),
            hidden={YES: True, NO: False}.get(data.get("hidden", "")),
            created_since=None if since is None else datetime.combine(since, time(), UTC),
        )

    @property
    def columns(self) -> list[str]:
        """Names of declared properties, in the schema's order."""
        chosen = set(getattr(self, "cleaned_data", {}).get("column") or ())
        if chosen:
            return [name for name in self._declared if name in chosen]
        return [name for name, one in self._declared.items() if one.type is not PropertyType.VECTOR][:NUM_COLUMNS]

    def _choices(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices


class EntityForm(forms.Form):
    """The properties of one user or item, a field for each that the schema declares. `properties` is what the fields say."""

    def __init__(
        self,
        *args: Any,
        declared: Mapping[str, Property],
        properties: Mapping[str, Any] | None = None,
        is_new: bool = False,
        has_hidden: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._declared = declared
        if is_new:
            self.fields["id"] = forms.CharField(
                label="Id", max_length=256, help_text="1 to 256 characters; it cannot be changed later."
            )
        for name, one in declared.items():
            self.fields[_field(name)] = _input(name, one, (properties or {}).get(name))
        if has_hidden and is_new:
            self.fields["hidden"] = forms.BooleanField(
                label="Hidden", required=False, help_text="Kept and learned from, and not recommended."
            )

    def clean_id(self) -> str:
        try:
            return check_id(self.cleaned_data["id"])
        except BrokenRule as broken:
            raise forms.ValidationError(f"{broken}; received {shorten(self.cleaned_data['id'])}") from None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        self.properties: dict[str, Any] = {}
        for name, one in self._declared.items():
            try:
                value = value_of(cleaned.get(_field(name)) or "", one)
            except BrokenRule as broken:
                self.add_error(_field(name), str(broken))
                continue
            if value is not None:
                self.properties[name] = value
        return cleaned


class EntityJsonForm(forms.Form):
    """The same as one JSON object, which is judged as the API judges it."""

    document = forms.CharField(
        label="Properties as JSON",
        max_length=MAX_JSON_CHARACTERS,
        widget=forms.Textarea(attrs={"spellcheck": "false", "rows": 16}),
    )

    def clean_document(self) -> Any:
        try:
            document = orjson.loads(self.cleaned_data["document"])
        except orjson.JSONDecodeError as error:
            raise forms.ValidationError(f"This is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise forms.ValidationError("This must be an object: { … }")
        return document


def _field(name: str) -> str:
    """A property may be called as a field of the form's own."""
    return f"property-{name}"


def _input(name: str, declared: Property, value: Any) -> forms.CharField | forms.ChoiceField:
    about: dict[str, Any] = {"label": name, "required": declared.required, "initial": text_of(value, declared)}
    if declared.type is PropertyType.BOOLEAN:
        choices = [("", "not set"), (YES, "yes"), (NO, "no")]
        return forms.ChoiceField(**about, choices=choices)
    is_long = declared.type in (PropertyType.STRING_LIST, PropertyType.VECTOR) or (
        declared.type is PropertyType.STRING and declared.max_length > 300
    )
    widget: forms.Widget = forms.Textarea(attrs={"rows": 3, "class": "short"}) if is_long else forms.TextInput()
    if declared.type in (PropertyType.INTEGER, PropertyType.FLOAT):
        step = "1" if declared.type is PropertyType.INTEGER else "any"
        widget = forms.NumberInput(attrs={"step": step})
    return forms.CharField(**about, widget=widget, help_text=_help(declared), strip=False)


def _help(declared: Property) -> str:
    return {
        PropertyType.STRING: f"Text, at most {declared.max_length:,} characters.",
        PropertyType.STRING_LIST: f"One text a line, at most {declared.max_values:,} of {declared.max_length:,} characters.",
        PropertyType.INTEGER: "A whole number.",
        PropertyType.FLOAT: "A number.",
        PropertyType.TIMESTAMP: "A time with its offset, as 2026-01-31T12:00:00Z.",
        PropertyType.VECTOR: f"A JSON list of {declared.dim or 0:,} numbers.",
        PropertyType.BOOLEAN: "",
    }[declared.type]
