"""Requests and answers about deployments."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from webapp.core.fields import BoundedObjectField, RequestBody

MAX_DOCUMENT_KEYS = 50
MAX_DOCUMENT_BYTES = 1_000_000
MAX_NOTE = 500


class ModelChoice(RequestBody):
    name = serializers.CharField(max_length=63)
    version = serializers.IntegerField(required=False, default=None, min_value=1, help_text="the newest unless told")


class DeploymentBody(RequestBody):
    retrieval = ModelChoice(default=None, allow_null=True)
    ranking = ModelChoice(default=None, allow_null=True)
    is_default = serializers.BooleanField(default=None, allow_null=True)
    document = BoundedObjectField(
        default=None,
        allow_null=True,
        max_keys=MAX_DOCUMENT_KEYS,
        max_bytes=MAX_DOCUMENT_BYTES,
        help_text="sources, score, filter, seen policy, boosts, promotions, caps, diversity, exploration (docs/deployments.md); "
        "parts not named take their defaults; absent or null: kept as it is",
    )
    note = serializers.CharField(default="", allow_blank=True, max_length=MAX_NOTE, help_text="why, for the revision")


class RollbackBody(RequestBody):
    revision = serializers.IntegerField(
        required=False, default=None, allow_null=True, min_value=1, help_text="the one before unless told"
    )


class RevisionsQuery(RequestBody):
    before = serializers.IntegerField(required=False, default=None, min_value=1, help_text="older than this number")
    limit = serializers.IntegerField(required=False, default=20, min_value=1, max_value=100)


class ModelChosen(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.IntegerField()


class DeploymentAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    retrieval = ModelChosen(allow_null=True)
    ranking = ModelChosen(allow_null=True)
    document = serializers.DictField(help_text="every default written out")
    revision = serializers.IntegerField()
    previous_retrieval = ModelChosen(allow_null=True, help_text="what it would roll back to")
    previous_ranking = ModelChosen(allow_null=True)
    is_default = serializers.BooleanField()
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class DeploymentsAnswer(serializers.Serializer[Any]):
    deployments = DeploymentAnswer(many=True)


class RevisionAnswer(serializers.Serializer[Any]):
    revision = serializers.IntegerField()
    retrieval = ModelChosen(allow_null=True)
    ranking = ModelChosen(allow_null=True)
    document = serializers.DictField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField(help_text="an account, or the name of an API key; empty when Freshet did it")
    note = serializers.CharField()


class RevisionsAnswer(serializers.Serializer[Any]):
    revisions = RevisionAnswer(many=True)
