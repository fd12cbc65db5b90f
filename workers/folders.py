"""Where a project's and a model version's files are, below the data folder."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from webapp.accounts.models import Project
from webapp.registry.models import ModelVersion


def model_folder(version: ModelVersion) -> Path:
    """Checkpoints and snapshots of one model version. Needs `model__project` loaded to be cheap."""
    folder: Path = settings.DATA_DIR
    return folder / "models" / version.model.project.slug / version.model.name / f"v{version.version}"


def joiner_folder(project: Project) -> Path:
    folder: Path = settings.DATA_DIR
    return folder / "joiners" / project.slug
