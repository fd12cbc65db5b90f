"""Arms have names, kinds and a control; experiments are guarded, promoted and rolled back."""

from typing import Any

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


def name_the_arms(apps: Any, schema_editor: Any) -> None:  # noqa: ARG001
    """Each arm is called as its deployment is; the control is the default deployment's arm, or the first."""
    arms = apps.get_model("experiments", "Arm").objects
    for experiment in apps.get_model("experiments", "Experiment").objects.all():
        found = list(arms.filter(experiment=experiment).select_related("deployment").order_by("id"))
        control = next((arm for arm in found if arm.deployment.is_default), found[0] if found else None)
        for arm in found:
            arms.filter(pk=arm.pk).update(name=arm.deployment.name, is_control=arm is control)


class Migration(migrations.Migration):
    dependencies = [
        ("experiments", "0001_initial"),
        ("serving", "0004_deployment_revisions"),
    ]

    operations = [
        migrations.AddField("experiment", "metric", models.CharField(
            blank=True, help_text="what it is decided by; empty: the first action's rate", max_length=80
        )),
        migrations.AddField("experiment", "alpha", models.FloatField(
            default=0.05,
            help_text="chance that an interval of one arm and metric ever misses the truth",
            validators=[
                django.core.validators.MinValueValidator(0.0001),
                django.core.validators.MaxValueValidator(0.5),
            ],
        )),
        migrations.AddField("experiment", "created_by", models.CharField(blank=True, max_length=150)),
        migrations.AddField("experiment", "promoted_arm", models.ForeignKey(
            blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="experiments.arm"
        )),
        migrations.AddField("experiment", "default_before", models.ForeignKey(
            blank=True,
            help_text="what promoting replaced",
            null=True,
            on_delete=django.db.models.deletion.SET_NULL,
            related_name="+",
            to="serving.deployment",
        )),
        migrations.AddField("experiment", "promoted_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("experiment", "rolled_back_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("arm", "name", models.CharField(default="", max_length=63), preserve_default=False),
        migrations.AddField("arm", "kind", models.CharField(
            choices=[
                ("traffic", "answers its share of the users"),
                ("holdout", "answers its share of the users without personalisation"),
                ("shadow", "is asked beside the others and shown to nobody"),
            ],
            default="traffic",
            max_length=10,
        )),
        migrations.AddField("arm", "is_control", models.BooleanField(default=False)),
        migrations.AddField("arm", "stopped_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("arm", "stopped_why", models.JSONField(
            blank=True, default=dict, help_text="by whom, and what a guardrail saw"
        )),
        migrations.AlterField("arm", "deployment", models.ForeignKey(
            help_text="null: deleted since the end",
            null=True,
            on_delete=django.db.models.deletion.PROTECT,
            related_name="+",
            to="serving.deployment",
        )),
        migrations.CreateModel(
            name="Guardrail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("metric", models.CharField(max_length=80)),
                ("harm", models.CharField(
                    choices=[("decrease", "less is worse"), ("increase", "more is worse")],
                    default="decrease",
                    max_length=10,
                )),
                ("tolerance", models.FloatField(default=0.0, help_text="relative to the control")),
                ("min_users", models.PositiveIntegerField(
                    default=200, help_text="of the arm and of the control, before it is looked at"
                )),
                ("experiment", models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE, related_name="guardrails", to="experiments.experiment"
                )),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.RunPython(name_the_arms, migrations.RunPython.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RemoveConstraint("arm", "arm_once"),
        migrations.AddConstraint(
            "arm", models.UniqueConstraint(fields=("experiment", "name"), name="arm_name_once")
        ),
        migrations.AddConstraint(
            "arm",
            models.UniqueConstraint(
                condition=models.Q(("is_control", True)), fields=("experiment",), name="one_control_arm"
            ),
        ),
        migrations.AddConstraint(
            "guardrail",
            models.UniqueConstraint(fields=("experiment", "metric", "harm"), name="guardrail_once"),
        ),
    ]
