"""`{% picture drawn %}`: a picture of `webapp.core.pictures` as markup."""

from __future__ import annotations

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from webapp.core.pictures.picture import Picture

register = template.Library()


@register.simple_tag
def picture(drawn: Picture | None) -> SafeString | str:
    """Nothing for None."""
    return render_to_string(drawn.template, {"picture": drawn}) if drawn is not None else ""
