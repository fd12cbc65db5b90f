"""Requests and answers about runs."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from webapp.core.fields import RequestBody
from webapp.training.models import Run


class RunBody(RequestBody):
    mode = serializers.ChoiceField(choices=Run.Mode.choices)
    version = serializers.IntegerField(required=False, default=None, min_value=1, help_text="the newest unless told")
    until_time = serializers.DateTimeField(
        required=False, default=None, help_text="batch: train on examples before this event time"
    )
    continues_online = serializers.BooleanField(
        required=False, default=False, help_text="batch: when it succeeds, an online run goes on at its exact offset"
    )
    start_from = serializers.IntegerField(
        required=False,
        default=None,
        min_value=1,
        help_text="another version of the model: begin with what it learned, as far as it fits, and where it had come to",
    )
    input_file = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=128,
        help_text="batch: a file in the folder `files` of the data folder, in place of the project's own examples: Parquet or CSV "
        "of examples, or JSON lines, CSV or Parquet of events, which are joined first",
    )


class RunActionBody(RequestBody):
    action = serializers.ChoiceField(choices=["stop", "resume", "checkpoint"])


class MetricsQuery(RequestBody):
    after_id = serializers.IntegerField(required=False, default=0, min_value=0, max_value=2**62)
    limit = serializers.IntegerField(required=False, default=2000, min_value=1, max_value=10_000)


class RunAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    model = serializers.CharField()
    version = serializers.IntegerField()
    mode = serializers.ChoiceField(choices=Run.Mode.choices)
    state = serializers.ChoiceField(choices=Run.State.choices)
    wanted = serializers.BooleanField(help_text="false: it is stopping, or has ended")
    until_time = serializers.DateTimeField(allow_null=True)
    continues_online = serializers.BooleanField(help_text="batch: an online run follows when it succeeds")
    start_from = serializers.IntegerField(allow_null=True, help_text="the version it began with what was learned of")
    input_file = serializers.CharField()
    start_offsets = serializers.DictField(child=serializers.IntegerField())
    end_offsets = serializers.DictField(child=serializers.IntegerField())
    progress = serializers.FloatField(help_text="0 to 1, batch only")
    num_examples = serializers.IntegerField()
    num_restarts = serializers.IntegerField()
    num_failures = serializers.IntegerField(help_text="attempts in a row that ended badly without getting further")
    retry_at = serializers.DateTimeField(allow_null=True, help_text="after such an attempt, when the next may begin")
    latest = serializers.DictField(help_text="the newest metrics, by name")
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class RunDetailAnswer(RunAnswer):
    report = serializers.DictField(
        help_text="the newest `slices` (metrics by slice and value), `reliability` (ten bins), `tables` and `slots`; every ten seconds"
    )
    reported_at = serializers.DateTimeField(allow_null=True)


class RunsAnswer(serializers.Serializer[Any]):
    runs = RunAnswer(many=True)


class MetricPoint(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    num_examples = serializers.IntegerField()
    event_time = serializers.DateTimeField(allow_null=True)
    values = serializers.DictField()


class MetricsAnswer(serializers.Serializer[Any]):
    metrics = MetricPoint(many=True)
