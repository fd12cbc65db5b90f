"""Requests and answers about events, users and items, one small class each."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from engine.spec.values import BrokenRule, check_boolean
from webapp.core.fields import RequestBody

HIDDEN_HELP = "a hidden item is kept and learned from, and never recommended"
PENDING_HELP = (
    "replicas that did not confirm within a second that they answer by what was written, where that is waited for; "
    "they do as soon as they can"
)


@extend_schema_field(OpenApiTypes.BOOL)
class FlagField(serializers.Field[bool, bool, bool, Any]):
    """true or false, and nothing that could be taken for one."""

    def to_internal_value(self, data: Any) -> bool:
        try:
            return check_boolean(data)
        except BrokenRule as broken:
            raise serializers.ValidationError(str(broken)) from None

    def to_representation(self, value: bool) -> bool:
        return value


class EventRow(serializers.Serializer[Any]):
    """One event, for the reference page; `engine.spec.validation` judges each row by the project's schema."""

    type = serializers.CharField(help_text="an event type of the schema")
    user_id = serializers.CharField(max_length=256)
    item_id = serializers.CharField(max_length=256, required=False)
    items = serializers.ListField(
        child=serializers.JSONField(),
        required=False,
        help_text="instead of item_id, of an impression: ids, or {item_id, position, score}",
    )
    event_id = serializers.CharField(
        max_length=256, required=False, help_text="a repeat is ignored; absent, it is a hash of the row"
    )
    timestamp = serializers.CharField(required=False, help_text="RFC 3339 or integer milliseconds; absent, now")
    recommendation_id = serializers.CharField(max_length=256, required=False)
    properties = serializers.DictField(required=False)


class EventsBody(serializers.Serializer[Any]):
    events = EventRow(many=True)


class ProblemBody(serializers.Serializer[Any]):
    field = serializers.CharField()
    rule = serializers.CharField()
    received = serializers.CharField()


class EventResult(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    event_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["accepted", "repeated", "rejected"])
    partition = serializers.IntegerField(allow_null=True)
    offset = serializers.IntegerField(allow_null=True)
    problems = ProblemBody(many=True)


class EventsAnswer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    repeated = serializers.IntegerField()
    rejected = serializers.IntegerField()
    schema_version = serializers.IntegerField(
        help_text="the version of the schema that judged every row of this request"
    )
    results = EventResult(many=True, help_text="each row, in order; with Prefer: return=minimal the rejected ones only")


class PropertiesBody(RequestBody):
    """The body of PUT and PATCH: what the schema declares is checked by the service."""

    properties = serializers.JSONField(default=dict, help_text="an object with the properties that the schema declares")


class ItemBody(PropertiesBody):
    hidden = FlagField(required=False, allow_null=True, help_text=f"{HIDDEN_HELP}; absent, it stays as it is")


class EntityRow(serializers.Serializer[Any]):
    id = serializers.CharField(max_length=256)
    properties = serializers.DictField(required=False)


class ItemRow(EntityRow):
    hidden = serializers.BooleanField(required=False, help_text=f"{HIDDEN_HELP}; absent, it stays as it is")


class ItemsBody(serializers.Serializer[Any]):
    items = ItemRow(many=True)


class UsersBody(serializers.Serializer[Any]):
    users = EntityRow(many=True)


class EntityAnswer(serializers.Serializer[Any]):
    id = serializers.CharField(source="external_id")
    properties = serializers.DictField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class ItemAnswer(EntityAnswer):
    hidden = serializers.BooleanField(help_text=HIDDEN_HELP)


class ItemWrittenAnswer(ItemAnswer):
    replicas_pending = serializers.ListField(child=serializers.CharField(), help_text=PENDING_HELP)


class PendingAnswer(serializers.Serializer[Any]):
    replicas_pending = serializers.ListField(child=serializers.CharField(), help_text=PENDING_HELP)


class ItemsAnswer(serializers.Serializer[Any]):
    items = ItemAnswer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class UsersAnswer(serializers.Serializer[Any]):
    users = EntityAnswer(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class EntityResult(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["written", "rejected"])
    problems = ProblemBody(many=True)


class EntitiesAnswer(serializers.Serializer[Any]):
    written = serializers.IntegerField()
    rejected = serializers.IntegerField()
    results = EntityResult(many=True)


class ItemsWrittenAnswer(EntitiesAnswer):
    replicas_pending = serializers.ListField(child=serializers.CharField(), help_text=PENDING_HELP)
