"""Experiments of before arms had names go on."""

from __future__ import annotations

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.webapp.client import DEFINITION
from webapp.accounts.models import Project
from webapp.experiments.models import Experiment
from webapp.experiments.selectors import deployment_for, plans_forget
from webapp.registry.models import ModelVersion
from webapp.registry.services import model_publish
from webapp.serving.models import Deployment

BEFORE = [("experiments", "0001_initial"), ("serving", "0003_deployment_rollback")]


def test_it_names_the_arms_of_a_running_experiment_and_keeps_its_users(project: Project) -> None:
    version: ModelVersion = model_publish(project=project, name="retrieval", document=DEFINITION)
    connection.check_constraints()  # PostgreSQL alters no table with checks pending
    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    old = executor.loader.project_state(BEFORE).apps
    deployments = [
        old.get_model("serving", "Deployment").objects.create(
            project_id=project.pk, name=name, retrieval_id=version.pk, is_default=name == "new"
        )
        for name in ("old", "new")
    ]
    experiment = old.get_model("experiments", "Experiment").objects.create(
        project_id=project.pk, name="first", salt="0" * 32, is_running=True
    )
    for deployment, share in zip(deployments, (7_500, 2_500), strict=True):
        old.get_model("experiments", "Arm").objects.create(experiment=experiment, deployment=deployment, share=share)
    connection.check_constraints()

    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    plans_forget()
    arms = Experiment.objects.get().arms.order_by("id")
    assert [(arm.name, arm.kind, arm.share, arm.is_control) for arm in arms] == [
        ("old", "traffic", 7_500, False),
        ("new", "traffic", 2_500, True),
    ]
    assert Deployment.objects.get(name="old").revision == 1
    chosen = [deployment_for(project=project, user_id=f"user-{number}") for number in range(400)]
    assert {one.arm for one in chosen} == {"old", "new"}
    assert all(one.deployment.name == one.arm for one in chosen)
