"""Deployments get documents and numbered revisions. What a deployment could roll back to becomes its revision 1."""

from typing import Any

import django.db.models.deletion
from django.db import migrations, models

from engine.spec.deployment import DeploymentDocument


def number_what_is_deployed(apps: Any, schema_editor: Any) -> None:  # noqa: ARG001
    deployments = apps.get_model("serving", "Deployment").objects
    revisions = apps.get_model("serving", "DeploymentRevision").objects
    document = DeploymentDocument().as_json()
    for deployment in deployments.all():
        states = [(deployment.retrieval_id, deployment.ranking_id)]
        if deployment.previous_retrieval_id or deployment.previous_ranking_id:
            states.insert(0, (deployment.previous_retrieval_id, deployment.previous_ranking_id))
        for number, (retrieval, ranking) in enumerate(states, 1):
            revisions.create(
                deployment=deployment, number=number, document=document, retrieval_id=retrieval, ranking_id=ranking
            )
        deployments.filter(pk=deployment.pk).update(document=document, revision=len(states))


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0001_initial"),
        ("serving", "0003_deployment_rollback"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="deployment", name="deployment_has_a_model"),
        migrations.AddField(
            model_name="deployment",
            name="document",
            field=models.JSONField(
                default=dict, help_text="engine.spec.deployment.DeploymentDocument; {} is its defaults"
            ),
        ),
        migrations.AddField(
            model_name="deployment",
            name="revision",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.CreateModel(
            name="DeploymentRevision",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("document", models.JSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "created_by",
                    models.CharField(blank=True, help_text="an account, or the name of an API key", max_length=150),
                ),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="revisions", to="serving.deployment"
                    ),
                ),
                (
                    "ranking",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.modelversion",
                    ),
                ),
                (
                    "retrieval",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="registry.modelversion",
                    ),
                ),
            ],
            options={
                "ordering": ["-number"],
                "constraints": [
                    models.UniqueConstraint(fields=("deployment", "number"), name="deployment_revision_once")
                ],
            },
        ),
        migrations.RunPython(number_what_is_deployed, migrations.RunPython.noop),
        # PostgreSQL changes no table whose rows this transaction has just written with checks pending
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RemoveField(model_name="deployment", name="previous_ranking"),
        migrations.RemoveField(model_name="deployment", name="previous_retrieval"),
    ]
