"""`{% picture drawn %}`: a picture of `webapp.core.pictures` as markup; the filters write the parts that repeat for each moment."""

from __future__ import annotations

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from webapp.core.pictures.bars import TimeBars
from webapp.core.pictures.lines import Lines
from webapp.core.pictures.markup import column_markup, rows_markup, safe
from webapp.core.pictures.picture import Picture, Table

register = template.Library()


@register.simple_tag
def picture(drawn: Picture | None) -> SafeString | str:
    """Nothing for None."""
    return render_to_string(drawn.template, {"picture": drawn}) if drawn is not None else ""


@register.filter
def columns(drawn: TimeBars) -> SafeString:
    """Its stacked rectangles, moment by moment."""
    return safe(
        "".join(
            column_markup(
                x=one.x, width=one.width, top=drawn.top, bottom=drawn.bottom, words=one.words, rects=one.rects
            )
            for one in drawn.columns
        )
    )


@register.filter
def hovers(drawn: Lines) -> SafeString:
    """What each moment says when it is pointed at."""
    return safe(
        "".join(
            column_markup(x=one.x, width=one.width, top=drawn.top, bottom=drawn.bottom, words=one.words)
            for one in drawn.hovers
        )
    )


@register.filter
def table_rows(table: Table) -> SafeString:
    return rows_markup(table)
