"""What became of what was shown, counted from the log: see `webapp.experiments.feedback_taking`."""

from __future__ import annotations

from django.db import models

from webapp.accounts.models import Project


class Feedback(models.Model):
    """How far a project's events are counted. `next_offsets` changes in the transaction that keeps the counts: each event counts once."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="feedback")
    next_offsets = models.JSONField(default=dict, help_text="partition -> the next offset of `events`")
    newest_ms = models.BigIntegerField(default=0, help_text="the latest receipt among what was counted")
    num_unattributed = models.BigIntegerField(
        default=0,
        help_text="actions with a recommendation_id of nothing shown lately, or of an item that it did not show",
    )
    num_let_go = models.BigIntegerField(default=0, help_text="recommendations forgotten before their window ended")
    updated_at = models.DateTimeField(auto_now=True)


class ShownLately(models.Model):
    """A recommendation that actions may still follow: the state of attribution, bounded by time and number."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    key = models.BigIntegerField(help_text="64 bits of the recommendation id's hash")
    shown_ms = models.BigIntegerField()
    user = models.BigIntegerField(help_text="64 bits of the user id's hash")
    deployment = models.CharField(max_length=256)
    revision = models.IntegerField()
    experiment = models.CharField(max_length=256, blank=True)
    arm = models.CharField(max_length=256, blank=True)
    items = models.JSONField(help_text="ids by place")
    sources = models.JSONField(help_text="by place")
    acted = models.JSONField(default=dict, help_text="event type -> places already acted on")
    shadows = models.JSONField(default=dict, help_text="deployment -> the ids that it would have shown")
    partition = models.IntegerField(
        null=True, help_text="where the impression is in `events`; null: counted before that was kept"
    )
    offset = models.BigIntegerField(null=True)
    followed = models.JSONField(
        null=True, help_text="[event type, place, time in ms, event id] of each item and type once"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "key"], name="shown_lately_once")]
        indexes = [models.Index(fields=["project", "shown_ms"])]


class FeedbackCount(models.Model):
    """Items shown in an hour, and those of them acted on whenever that was, so that a rate never divides by another hour's impressions.

    `type` is the event type of the action, empty for what was shown. `position` counts from 0 and ends at 99, which holds all beyond.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    hour = models.DateTimeField()
    deployment = models.CharField(max_length=256)
    revision = models.IntegerField()
    experiment = models.CharField(max_length=256, blank=True)
    arm = models.CharField(max_length=256, blank=True)
    source = models.CharField(max_length=63, blank=True)
    position = models.SmallIntegerField()
    type = models.CharField(max_length=63, blank=True)
    num = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "project", "deployment", "hour", "revision", "experiment", "arm", "source", "position", "type",
                ],
                name="feedback_count_once",
            )
        ]  # fmt: skip


class ArmUserCount(models.Model):
    """What one user of an arm was shown (`type` empty: items) and did (items acted on so): the clusters that intervals are made of."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    experiment = models.CharField(max_length=256)
    arm = models.CharField(max_length=256)
    user = models.BigIntegerField()
    type = models.CharField(max_length=63, blank=True)
    num = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "experiment", "arm", "user", "type"], name="arm_user_count_once")
        ]


class ShadowCount(models.Model):
    """How a shadow's answers compare with what was shown beside them, by hour of showing."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    hour = models.DateTimeField()
    deployment = models.CharField(max_length=256, help_text="the shadow")
    shown = models.CharField(max_length=256, help_text="the deployment that was shown")
    num_requests = models.BigIntegerField(default=0)
    num_places = models.BigIntegerField(default=0, help_text="items shown")
    num_shared = models.BigIntegerField(default=0, help_text="of those, the ones that the shadow named too")
    num_acted = models.BigIntegerField(default=0, help_text="items shown that were acted on, each type once")
    num_acted_shared = models.BigIntegerField(default=0, help_text="of those, the ones that the shadow named too")
    sum_reciprocal_shown = models.FloatField(default=0, help_text="sum of 1/place of what was acted on, as shown")
    sum_reciprocal_shadow = models.FloatField(default=0, help_text="the same in the shadow's answer, 0 where absent")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "deployment", "hour", "shown"], name="shadow_count_once")
        ]
