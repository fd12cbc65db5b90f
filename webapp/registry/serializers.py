"""Requests and answers about schemas and models."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from webapp.core.fields import RequestBody


class SchemaBody(RequestBody):
    document = serializers.JSONField(help_text="the whole schema: users, items, events")
    note = serializers.CharField(default="", allow_blank=True, max_length=200)


class SchemaAnswer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    document = serializers.DictField()
    note = serializers.CharField()
    created_at = serializers.DateTimeField()


class ModelBody(RequestBody):
    definition = serializers.JSONField(help_text="a model definition; see GET /definition-schema")
    note = serializers.CharField(default="", allow_blank=True, max_length=200)


class NewModelBody(ModelBody):
    name = serializers.CharField(max_length=63)


class ModelQuery(RequestBody):
    version = serializers.IntegerField(required=False, default=None, min_value=1, help_text="the newest unless told")


class ModelAnswer(serializers.Serializer[Any]):
    name = serializers.CharField()
    version = serializers.IntegerField()
    definition = serializers.DictField()
    note = serializers.CharField()
    created_at = serializers.DateTimeField()


class ModelRow(serializers.Serializer[Any]):
    name = serializers.CharField()
    newest_version = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class ModelsAnswer(serializers.Serializer[Any]):
    models = ModelRow(many=True)
