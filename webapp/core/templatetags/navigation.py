"""The console's menu for a template."""

from __future__ import annotations

from typing import Any

from django import template

from webapp.core.navigation import Group, navigation_of

register = template.Library()


@register.simple_tag(takes_context=True)
def navigation(context: dict[str, Any]) -> list[Group]:
    """The groups of the current project's menu; the entry of the page at hand is marked."""
    request = context.get("request")
    match = getattr(request, "resolver_match", None)
    return navigation_of(
        slug=context["project"].slug,
        page=str(context.get("page") or ""),
        url_name=str(getattr(match, "url_name", None) or ""),
    )
