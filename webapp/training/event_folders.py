"""Where a run's metrics are as TensorBoard reads them, below the data folder."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from webapp.accounts.models import Project
from webapp.training.models import Run


def events_root() -> Path:
    folder: Path = settings.DATA_DIR
    return folder / "tensorboard"


def project_folder(project: Project) -> Path:
    """What `tensorboard --logdir` takes to show all runs of the project."""
    return events_root() / project.slug


def event_folder(run: Run) -> Path:
    """One run's own. Needs `model_version__model__project` loaded to be cheap."""
    version = run.model_version
    return project_folder(version.model.project) / f"{version.model.name}-v{version.version}" / f"run-{run.pk}"
