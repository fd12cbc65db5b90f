"""Requests and answers about the inbox."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from webapp.catalog.inbox_selectors import MAX_IDS
from webapp.catalog.serializers import ProblemBody
from webapp.core.fields import RequestBody
from webapp.core.paging import MAX_PAGE


class DeadEventsQuery(RequestBody):
    cursor = serializers.CharField(required=False, default=None, max_length=2000, help_text="next_cursor of a page")
    limit = serializers.IntegerField(required=False, default=100, min_value=1, max_value=MAX_PAGE)
    reason = serializers.CharField(required=False, default=None, max_length=40, help_text="only those of this reason")
    field = serializers.CharField(required=False, default=None, max_length=300, help_text="only those of this field")


class SelectionBody(RequestBody):
    """Exactly one of `ids`, `reason` (with or without `field`) and `all`."""

    ids = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        required=False,
        default=list,
        max_length=MAX_IDS,
    )
    reason = serializers.CharField(required=False, default=None, max_length=40)
    field = serializers.CharField(
        required=False, default=None, max_length=300, help_text="with `reason`: only of this field"
    )
    all = serializers.BooleanField(required=False, default=False, help_text="everything in the inbox")


class DeadEventAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    topic = serializers.CharField()
    partition = serializers.IntegerField()
    offset = serializers.IntegerField()
    key = serializers.CharField(help_text="the record's key")
    reason = serializers.CharField(
        help_text="not_json, not_an_event, unknown_type, missing_field, undeclared_field, invalid_value, clock_ahead or not_held"
    )
    field = serializers.CharField(help_text="where the first rule was broken, `*` for a place in a list")
    rule = serializers.CharField()
    received = serializers.CharField()
    problems = ProblemBody(many=True)
    value = serializers.CharField(help_text="the record's value as text, cut to 8,192 bytes")
    value_bytes = serializers.IntegerField()
    is_whole = serializers.BooleanField(help_text="`value` is all of it")
    timestamp_ms = serializers.IntegerField(help_text="the record's own time")
    buried_at = serializers.DateTimeField()
    replayed_at = serializers.DateTimeField(allow_null=True, help_text="when it was last refused again")


class DeadEventsAnswer(serializers.Serializer[Any]):
    dead_events = DeadEventAnswer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class DeadReasonAnswer(serializers.Serializer[Any]):
    reason = serializers.CharField()
    field = serializers.CharField()
    kept = serializers.IntegerField(help_text="in the inbox, to look at and replay")
    counted = serializers.IntegerField(help_text="beyond what is kept: only their number is known")
    first_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField()


class DeadReasonsAnswer(serializers.Serializer[Any]):
    reasons = DeadReasonAnswer(many=True)
    limit = serializers.IntegerField(help_text="how many are kept")
    flooded_at = serializers.DateTimeField(
        allow_null=True, help_text="since when more arrive than are kept; null: all are kept"
    )


class ReplayAnswer(serializers.Serializer[Any]):
    replayed = serializers.IntegerField(help_text="passed, and are in `events`")
    repeated = serializers.IntegerField(help_text="passed, but their event_id was accepted before")
    refused = serializers.IntegerField(help_text="stay in the inbox, with the reason of now")


class DiscardAnswer(serializers.Serializer[Any]):
    discarded = serializers.IntegerField()
