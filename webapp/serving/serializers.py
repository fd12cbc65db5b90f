"""Requests and answers about recommendations, deployments and parameter sync."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from engine.serving.requests import MAX_CANDIDATES, MAX_K
from webapp.core.fields import BoundedObjectField, IdField, RequestBody

MAX_EXCLUDE = 1_000
MAX_CONTEXT_KEYS = 100
MAX_CONTEXT_BYTES = 16_384


class RecommendBody(RequestBody):
    user_id = IdField(help_text="may be unknown")
    k = serializers.IntegerField(default=10, min_value=1, max_value=MAX_K)
    context = BoundedObjectField(  # type: ignore[assignment]
        default=dict,
        max_keys=MAX_CONTEXT_KEYS,
        max_bytes=MAX_CONTEXT_BYTES,
        help_text="event properties known now, as the schema declares them",
    )
    exclude = serializers.ListField(child=IdField(), default=list, max_length=MAX_EXCLUDE, help_text="item ids")
    candidates = serializers.ListField(
        child=IdField(), default=list, max_length=MAX_CANDIDATES, help_text="rank these and nothing else"
    )
    deployment = serializers.CharField(
        default=None, max_length=63, help_text="instead of the one that the experiment or the default names"
    )


class RecommendedItem(serializers.Serializer[Any]):
    item_id = serializers.CharField()
    score = serializers.FloatField()
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="what brought the item: the retrieval model's architecture (two_tower, …), item_to_item, trending_1h, "
        "trending_24h, latest, catalogue, random or given"
    )


class AnsweringModel(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=["retrieval", "ranking"])
    name = serializers.CharField()
    version = serializers.IntegerField()
    sequence = serializers.IntegerField(help_text="of the newest delta in these parameters")
    age_s = serializers.FloatField(help_text="since that delta was published")
    events_through = serializers.DictField(
        child=serializers.IntegerField(), help_text="partition -> the next event offset not yet trained on"
    )
    event_time = serializers.DateTimeField(allow_null=True)


class RecommendAnswer(serializers.Serializer[Any]):
    recommendation_id = serializers.CharField(help_text="send it back with the events that follow")
    items = RecommendedItem(many=True)
    deployment = serializers.CharField()
    models = AnsweringModel(many=True)
    degraded = serializers.CharField(
        allow_null=True,
        help_text="why the answer is less than it should be; no_replica: no model answered, the items are what was answered often lately",
    )
    replica = serializers.CharField()
    took_ms = serializers.FloatField()


class TrainerStand(serializers.Serializer[Any]):
    sequence = serializers.IntegerField()
    published_at = serializers.DateTimeField(allow_null=True)
    event_time = serializers.DateTimeField(allow_null=True)
    run = serializers.DictField(allow_null=True)


class ReplicaStand(serializers.Serializer[Any]):
    name = serializers.CharField()
    address = serializers.CharField()
    deployment = serializers.CharField()
    is_alive = serializers.BooleanField()
    source = serializers.ChoiceField(choices=["live", "report"])  # type: ignore[assignment]
    sequence = serializers.IntegerField()
    num_behind = serializers.IntegerField(help_text="deltas published and not yet applied")
    age_s = serializers.FloatField(allow_null=True)
    events_through = serializers.DictField(child=serializers.IntegerField())
    event_time = serializers.DateTimeField(allow_null=True)
    num_rows = serializers.IntegerField()
    num_rows_applied = serializers.IntegerField()
    num_deletes_applied = serializers.IntegerField()
    num_bytes_applied = serializers.IntegerField()
    num_resyncs = serializers.IntegerField()
    digest = serializers.CharField()
    last_error = serializers.CharField(allow_null=True)
    heartbeat_at = serializers.DateTimeField()
    reported_at = serializers.DateTimeField()


class DeltaRow(serializers.Serializer[Any]):
    kind = serializers.CharField()
    sequence = serializers.IntegerField()
    num_rows = serializers.IntegerField()
    num_deletes = serializers.IntegerField()
    num_bytes = serializers.IntegerField()
    event_time = serializers.DateTimeField(allow_null=True)
    published_at = serializers.DateTimeField()


class FreshnessSummary(serializers.Serializer[Any]):
    p50_s = serializers.FloatField(allow_null=True)
    p95_s = serializers.FloatField(allow_null=True)
    max_s = serializers.FloatField(allow_null=True)


class FreshnessAnswer(serializers.Serializer[Any]):
    window_s = serializers.IntegerField()
    num_canaries = serializers.IntegerField(help_text="actions that were timed, about one a second while there are any")
    num_given_up = serializers.IntegerField(help_text="actions that were waited for in vain")
    wall = FreshnessSummary(help_text="from an action's receipt to a replica answering with what it taught")
    event_time = FreshnessSummary(help_text="from the time the action says it happened at")


class SyncAnswer(serializers.Serializer[Any]):
    model = serializers.CharField()
    version = serializers.IntegerField()
    trainer = TrainerStand()
    replicas = ReplicaStand(many=True)
    deltas = DeltaRow(many=True)
    freshness = FreshnessAnswer()
