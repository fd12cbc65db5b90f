"""Requests and answers about batches."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from engine.serving.requests import MAX_K
from engine.spec.deployment import MAX_EXPRESSION_CHARACTERS
from webapp.batches.models import Batch
from webapp.core.fields import BoundedObjectField, IdField, RequestBody

MAX_USERS = 100_000


class BatchBody(RequestBody):
    user_ids = serializers.ListField(
        child=IdField(),
        default=None,
        min_length=1,
        max_length=MAX_USERS,
        help_text="absent: every user of the catalogue",
    )
    k = serializers.IntegerField(default=10, min_value=1, max_value=MAX_K)
    deployment = serializers.CharField(default=None, max_length=63, help_text="absent: the default one")
    filter = serializers.CharField(
        default=None, max_length=MAX_EXPRESSION_CHARACTERS, help_text="as in /recommend (docs/filters.md)"
    )
    parameters = BoundedObjectField(
        default=dict, max_keys=50, max_bytes=65_536, help_text="what `$names` of the filter are"
    )
    format = serializers.ChoiceField(choices=Batch.Format.values, default=Batch.Format.JSONL.value)


class BatchActionBody(RequestBody):
    action = serializers.ChoiceField(choices=["stop"])


class BatchAnswer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=Batch.State.values)
    deployment = serializers.CharField()
    k = serializers.IntegerField()
    filter = serializers.CharField(allow_null=True)
    format = serializers.ChoiceField(choices=Batch.Format.values)
    num_users = serializers.IntegerField()
    num_done = serializers.IntegerField()
    num_degraded = serializers.IntegerField(
        help_text="users whose answer was less than it should be; the file says why"
    )
    num_bytes = serializers.IntegerField(help_text="of the result, once it is there")
    result = serializers.CharField(allow_null=True, help_text="where the file is to be had, once it is there")
    error = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class BatchesAnswer(serializers.Serializer[Any]):
    batches = BatchAnswer(many=True)
