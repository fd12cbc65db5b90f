"""Requests and answers about experiments."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from webapp.core.fields import RequestBody
from webapp.experiments.choosing import NUM_PARTS
from webapp.experiments.models import Arm, Guardrail
from webapp.experiments.services import MAX_ARMS, MAX_SHADOWS, MAX_TOLERANCE

MAX_GUARDRAILS = 20
OF_PARTS = f"of {NUM_PARTS:,} parts"


class ArmBody(RequestBody):
    deployment = serializers.CharField(max_length=63)
    share = serializers.IntegerField(min_value=1, max_value=NUM_PARTS, help_text=OF_PARTS)


class HoldoutBody(RequestBody):
    share = serializers.IntegerField(min_value=1, max_value=NUM_PARTS, help_text=OF_PARTS)
    deployment = serializers.CharField(
        default=None,
        allow_null=True,
        max_length=63,
        help_text="unless told `holdout`: trending and new items, no model",
    )


class ShadowBody(RequestBody):
    deployment = serializers.CharField(max_length=63)
    share = serializers.IntegerField(
        default=NUM_PARTS, min_value=1, max_value=NUM_PARTS, help_text=f"of the requests, {OF_PARTS}"
    )


class GuardrailBody(RequestBody):
    metric = serializers.CharField(max_length=80, help_text="<action>_rate or <action>_per_user")
    harm = serializers.ChoiceField(choices=Guardrail.Harm.choices, default=Guardrail.Harm.DECREASE.value)
    tolerance = serializers.FloatField(
        default=0.0, min_value=0, max_value=MAX_TOLERANCE, help_text="relative to the control; 0.02 is two per cent"
    )
    min_users = serializers.IntegerField(default=200, min_value=10, max_value=10_000_000)


class ExperimentBody(RequestBody):
    name = serializers.CharField(max_length=63, help_text="used once in a project")
    arms = serializers.ListField(
        child=ArmBody(),
        max_length=MAX_ARMS,
        help_text=f"two or more, or one beside a hold-out or shadows; with the hold-out their shares sum to {NUM_PARTS:,}",
    )
    holdout = HoldoutBody(default=None, allow_null=True, help_text="users answered without personalisation")
    shadows = serializers.ListField(child=ShadowBody(), default=list, max_length=MAX_SHADOWS)
    control = serializers.CharField(
        default=None,
        allow_null=True,
        max_length=63,
        help_text="an arm; the default deployment's, or the first, unless told",
    )
    guardrails = serializers.ListField(child=GuardrailBody(), default=list, max_length=MAX_GUARDRAILS)
    metric = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=80,
        help_text="what it is decided by; the first action's rate unless told",
    )
    alpha = serializers.FloatField(default=0.05, min_value=0.0001, max_value=0.5)


class ExperimentActionBody(RequestBody):
    action = serializers.ChoiceField(choices=["stop", "stop_arm", "promote", "roll_back"])
    arm = serializers.CharField(default=None, max_length=63, help_text="of stop_arm and promote")


class ArmAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=Arm.Kind.choices)
    deployment = serializers.CharField(allow_null=True, help_text="null: withdrawn since the experiment ended")
    share = serializers.IntegerField()
    is_control = serializers.BooleanField()
    stopped_at = serializers.DateTimeField(allow_null=True)
    stopped_why = serializers.DictField(help_text="by whom; what a guardrail saw")


class GuardrailAnswer(serializers.Serializer[Any]):
    metric = serializers.CharField()
    harm = serializers.CharField()
    tolerance = serializers.FloatField()
    min_users = serializers.IntegerField()


class DifferenceAnswer(serializers.Serializer[Any]):
    value = serializers.FloatField(help_text="of the arm less the control's")
    low = serializers.FloatField(allow_null=True, help_text="null: too few users or actions")
    high = serializers.FloatField(allow_null=True)
    relative = serializers.FloatField(allow_null=True, help_text="the same as a share of the control's value")
    relative_low = serializers.FloatField(allow_null=True)
    relative_high = serializers.FloatField(allow_null=True)


class MetricAnswer(serializers.Serializer[Any]):
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True, help_text="the interval holds the truth at all times at once")
    high = serializers.FloatField(allow_null=True)
    difference = DifferenceAnswer(allow_null=True, help_text="null for the control")


class ArmResult(serializers.Serializer[Any]):
    name = serializers.CharField()
    num_users = serializers.IntegerField()
    num_shown = serializers.IntegerField(help_text="items")
    metrics = serializers.DictField(child=MetricAnswer(), help_text="<action>_rate, <action>_per_user")


class ResultsAnswer(serializers.Serializer[Any]):
    control = serializers.CharField(allow_null=True)
    arms = ArmResult(many=True)


class ShadowResult(serializers.Serializer[Any]):
    deployment = serializers.CharField()
    shown = serializers.CharField(help_text="the deployment that was shown beside it")
    num_requests = serializers.IntegerField()
    overlap = serializers.FloatField(allow_null=True, help_text="share of the items shown that the shadow named too")
    num_acted = serializers.IntegerField(help_text="items shown that were acted on")
    acted_share = serializers.FloatField(allow_null=True, help_text="of those, the share that the shadow named too")
    mean_reciprocal_rank = serializers.FloatField(allow_null=True, help_text="of those, in the shadow's answer")
    mean_reciprocal_rank_shown = serializers.FloatField(allow_null=True)


class ExperimentAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    arms = ArmAnswer(many=True)
    guardrails = GuardrailAnswer(many=True)
    metric = serializers.CharField()
    alpha = serializers.FloatField()
    is_running = serializers.BooleanField()
    started_at = serializers.DateTimeField(allow_null=True)
    stopped_at = serializers.DateTimeField(allow_null=True)
    promoted = serializers.CharField(allow_null=True, help_text="the arm whose deployment became the default")
    promoted_at = serializers.DateTimeField(allow_null=True)
    rolled_back_at = serializers.DateTimeField(allow_null=True)
    results = ResultsAnswer(allow_null=True, help_text="null until they were made for the first time")
    results_at = serializers.DateTimeField(allow_null=True)
    shadows = ShadowResult(many=True, required=False, help_text="of one experiment alone")


class ExperimentsAnswer(serializers.Serializer[Any]):
    experiments = ExperimentAnswer(many=True)
