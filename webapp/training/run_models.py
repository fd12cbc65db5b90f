"""What goes with a run beside its curves: what people asked of it, and its own log."""

from __future__ import annotations

from django.db import models


class RunOrder(models.Model):
    """What a person asked of a run's trainer, which looks for it once a second and says when it is done."""

    class Kind(models.TextChoices):
        CHECKPOINT = "checkpoint"

    run = models.ForeignKey("training.Run", on_delete=models.CASCADE, related_name="orders")
    kind = models.CharField(max_length=12, choices=Kind)
    asked_by = models.CharField(max_length=150, blank=True)
    asked_at = models.DateTimeField(auto_now_add=True)
    taken_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    num_examples = models.BigIntegerField(null=True, blank=True, help_text="learned by what was saved")

    class Meta:
        indexes = [models.Index(fields=["run", "id"])]
        ordering = ["-id"]


class RunLogLine(models.Model):
    """One line that a run's worker logged; the newest `webapp.training.run_log.MAX_LINES` of a run stay."""

    run = models.ForeignKey("training.Run", on_delete=models.CASCADE, related_name="log_lines")
    at = models.DateTimeField()
    level = models.PositiveSmallIntegerField(help_text="as Python's logging counts: 20 info, 30 warning, 40 error")
    logger = models.CharField(max_length=120)
    message = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["run", "id"])]
        ordering = ["id"]
