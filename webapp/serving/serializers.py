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
    interval_s = serializers.FloatField(help_text="seconds between two publishes, as the definition says")
    publish_interval_s = serializers.FloatField(
        allow_null=True, help_text="as it is now: longer while a replica that lives cannot follow"
    )
    slowest_replica_behind = serializers.IntegerField(allow_null=True, help_text="in deltas")


class ReplicaStand(serializers.Serializer[Any]):
    name = serializers.CharField()
    address = serializers.CharField()
    deployment = serializers.CharField()
    is_alive = serializers.BooleanField()
    is_drained = serializers.BooleanField(help_text="it follows, and is not asked")
    acknowledged = serializers.IntegerField(help_text="the newest sequence it reported that it serves")
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


class SyncOrderRow(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="snapshot or resync")
    replica = serializers.CharField(allow_blank=True)
    asked_by = serializers.CharField(allow_blank=True)
    asked_at = serializers.DateTimeField()
    taken_at = serializers.DateTimeField(allow_null=True)
    done_at = serializers.DateTimeField(allow_null=True)
    sequence = serializers.IntegerField(
        allow_null=True, help_text="where the snapshot was made, or the replica stood when it had loaded one"
    )


class FreshnessSummary(serializers.Serializer[Any]):
    p50_s = serializers.FloatField(allow_null=True)
    p95_s = serializers.FloatField(allow_null=True)
    max_s = serializers.FloatField(allow_null=True)


class FreshnessAnswer(serializers.Serializer[Any]):
    window_s = serializers.IntegerField()
    num_canaries = serializers.IntegerField(help_text="actions and canaries that were timed, at most one a second")
    num_given_up = serializers.IntegerField(help_text="those that were waited for in vain")
    waiting_s = serializers.FloatField(
        allow_null=True, help_text="the longest that one had been waited for and had not arrived, in the newest points"
    )
    wall = FreshnessSummary(help_text="from an event's receipt to a replica answering with what was trained on it")
    event_time = FreshnessSummary(help_text="from the time the event says it happened at")


class SyncAnswer(serializers.Serializer[Any]):
    model = serializers.CharField()
    version = serializers.IntegerField()
    trainer = TrainerStand()
    replicas = ReplicaStand(many=True)
    deltas = DeltaRow(many=True)
    orders = SyncOrderRow(many=True, help_text="snapshots and resyncs that were asked for, newest first")
    freshness = FreshnessAnswer()
