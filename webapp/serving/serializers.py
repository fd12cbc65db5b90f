"""Requests and answers about parameter sync."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class TrainerStand(serializers.Serializer[Any]):
    sequence = serializers.IntegerField()
    published_at = serializers.DateTimeField(allow_null=True)
    event_time = serializers.DateTimeField(allow_null=True)
    run = serializers.DictField(allow_null=True)
    interval_s = serializers.FloatField(
        help_text="seconds between two publishes, as people set it or as the definition says"
    )
    declared_interval_s = serializers.FloatField(help_text="as the definition says")
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
