"""Requests and answers about what became of what was shown."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from webapp.core.fields import RequestBody
from webapp.experiments.feedback_selectors import MAX_HOURS
from webapp.experiments.serializers import ShadowResult


class FeedbackQuery(RequestBody):
    hours = serializers.IntegerField(required=False, default=24, min_value=1, max_value=MAX_HOURS)


class FeedbackRow(serializers.Serializer[Any]):
    num_shown = serializers.IntegerField(help_text="items")
    actions = serializers.DictField(child=serializers.IntegerField(), help_text="event type -> items acted on")
    rates = serializers.DictField(child=serializers.FloatField(), help_text="event type -> share of what was shown")


class FeedbackAnswer(serializers.Serializer[Any]):
    hours = serializers.IntegerField()
    counted_through = serializers.DateTimeField(allow_null=True)
    num_unattributed = serializers.IntegerField(
        help_text="of the project: actions whose recommendation was not shown within the window"
    )
    total = FeedbackRow()
    by_revision = FeedbackRow(many=True)
    by_source = FeedbackRow(many=True)
    by_position = FeedbackRow(many=True)
    by_arm = FeedbackRow(many=True)
    by_hour = FeedbackRow(many=True)
    as_shadow = ShadowResult(many=True)
