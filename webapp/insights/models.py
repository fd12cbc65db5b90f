"""Events counted by type and time, and what was found out about a project's data."""

from __future__ import annotations

from django.db import models

from webapp.accounts.models import Account, Project


class EventCounting(models.Model):
    """How far a project's events are counted. `next_offsets` changes in the transaction that keeps the counts: each event counts once."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="+", primary_key=True)
    next_offsets = models.JSONField(default=dict, help_text="partition -> the next offset of `events`")
    is_behind = models.BooleanField(default=False, help_text="the last turn ended before the end of the log")
    updated_at = models.DateTimeField(auto_now=True)


class EventCount(models.Model):
    """Events of one type received in `span_s` seconds from `at` on: minutes for the last two days, hours for the last 90."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    span_s = models.SmallIntegerField()
    at = models.DateTimeField()
    type = models.CharField(max_length=63)
    num = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "span_s", "at", "type"], name="event_count_once")]


class Insight(models.Model):
    """Something found in a project's data. `kind` and `subject` name it for as long as it holds; `values` are what was measured.

    One that no longer holds goes. A dismissed one stays dismissed as long as it holds and has not become much worse (`weight`).
    """

    class Severity(models.TextChoices):
        BAD = "bad", "Mend this"
        WARN = "warn", "Look at this"
        NOTE = "note", "Good to know"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="insights", db_index=False)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=300)
    severity = models.CharField(max_length=4, choices=Severity)
    weight = models.FloatField(help_text="how much of the data it concerns, 0 to 1; orders those of one severity")
    values = models.JSONField(default=dict)
    first_at = models.DateTimeField()
    computed_at = models.DateTimeField()
    dismissed_at = models.DateTimeField(null=True)
    dismissed_by = models.ForeignKey(Account, null=True, on_delete=models.SET_NULL, related_name="+")
    dismissed_weight = models.FloatField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "kind", "subject"], name="insight_once")]


class InsightRound(models.Model):
    """The last time a project's data was looked at: how much was looked at, and how long it took."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="+", primary_key=True)
    computed_at = models.DateTimeField()
    took_s = models.FloatField()
    num_events = models.BigIntegerField(help_text="events in the sample")
    num_items = models.BigIntegerField(help_text="items in the sample")
    num_users = models.BigIntegerField(help_text="users in the sample")
    is_wanted = models.BooleanField(default=False, help_text="somebody asked for the next one now")
