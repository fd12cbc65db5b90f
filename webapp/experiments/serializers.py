"""Requests and answers about experiments."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from webapp.core.fields import RequestBody
from webapp.experiments.selectors import NUM_PARTS

MAX_ARMS = 20


class ArmBody(RequestBody):
    deployment = serializers.CharField(max_length=63)
    share = serializers.IntegerField(min_value=1, max_value=NUM_PARTS, help_text=f"of {NUM_PARTS:,} parts")


class ExperimentBody(RequestBody):
    name = serializers.CharField(max_length=63, help_text="used once in a project")
    arms = serializers.ListField(
        child=ArmBody(), max_length=MAX_ARMS, help_text=f"two or more; their shares sum to {NUM_PARTS:,}"
    )


class ExperimentActionBody(RequestBody):
    action = serializers.ChoiceField(choices=["stop"])


class ArmAnswer(serializers.Serializer[Any]):
    deployment = serializers.CharField()
    share = serializers.IntegerField()


class ExperimentAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    arms = ArmAnswer(many=True)
    is_running = serializers.BooleanField()
    started_at = serializers.DateTimeField(allow_null=True)
    stopped_at = serializers.DateTimeField(allow_null=True)


class ExperimentsAnswer(serializers.Serializer[Any]):
    experiments = ExperimentAnswer(many=True)
