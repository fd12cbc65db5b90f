"""The inbox: records of a project's `events` topic that are no events, kept for a person to look at, and how many more there were."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models

from webapp.accounts.models import Project


def storable(text: str) -> str:
    """The text as PostgreSQL holds it: it has no NUL, and a lone surrogate has no UTF-8."""
    return text.replace("\x00", "\\x00").encode(errors="backslashreplace").decode()


def storable_problem(problem: Mapping[str, str], max_characters: int) -> dict[str, str]:
    """A broken rule: its field, rule and what was received, each cut to `max_characters`."""
    return {name: storable(str(problem.get(name, "")))[:max_characters] for name in ("field", "rule", "received")}


class DeadEvent(models.Model):
    """One refused record (`engine.spec.dead_letter.DeadLetter`) that nobody has replayed or discarded yet."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="dead_events", db_index=False)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    reason = models.CharField(max_length=40)
    field = models.CharField(max_length=300)
    rule = models.TextField()
    received = models.TextField(blank=True)
    problems = models.JSONField(default=list, help_text="every broken rule: field, rule, received")
    key = models.TextField(blank=True, help_text="the record's key")
    value = models.TextField(help_text="what was received, cut to a limit")
    value_bytes = models.BigIntegerField()
    is_whole = models.BooleanField(help_text="`value` is the record's whole value, unchanged")
    timestamp_ms = models.BigIntegerField(help_text="the record's own time")
    buried_at = models.DateTimeField()
    replayed_at = models.DateTimeField(null=True, help_text="when it was judged again and refused again")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "partition", "offset"], name="dead_event_once")]
        indexes = [models.Index(fields=["project", "reason", "field", "id"], name="dead_event_by_reason")]


class DeadEventCount(models.Model):
    """Of one reason and field how many refused records were counted and not kept, since the project's first.

    `num_unwritten`: by the joiner, for want of room in the topic. `num_left_out`: by the inbox, for want of room in itself. Of both
    together `num_settled` were dealt with.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+", db_index=False)
    reason = models.CharField(max_length=40)
    field = models.CharField(max_length=300)
    num_unwritten = models.BigIntegerField(default=0)
    num_left_out = models.BigIntegerField(default=0)
    num_settled = models.BigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "reason", "field"], name="dead_event_count_once")]

    @property
    def num_open(self) -> int:
        return max(0, self.num_unwritten + self.num_left_out - self.num_settled)


class Inbox(models.Model):
    """How far a project's `events.dead` was taken in, by which schema events are judged, and since when more is refused than kept."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="inbox", primary_key=True)
    next_offsets = models.JSONField(default=dict, help_text="of `events.dead`, by partition")
    schema_version = models.IntegerField(null=True, help_text="the one by which the joiner judges and joins")
    flooded_at = models.DateTimeField(null=True, help_text="null: everything refused is kept")
