"""What becomes of an erasure after those who forget have said so: deltas reach replicas, old folders go, replicas die.

A folder was written before its process had forgotten when it is older than what that process said; then it may hold what was erased.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from django.conf import settings
from django.db import transaction

from engine.checkpoint.manifest import MANIFEST_NAME
from webapp.erasure.models import Erasure, Part, Place
from webapp.erasure.services import erasure_finish
from webapp.registry.models import ModelVersion
from webapp.serving.models import ReplicaPosition
from webapp.serving.selectors import replicas_alive
from webapp.training.models import Run
from workers.folders import joiner_folder, model_folder

_SILENT: Final = (
    "It is not running. Its folder of what users did is as it was, until it runs again, comes to the order and forgets, or until "
    "somebody removes the folder."
)
_UNTRAINED: Final = (
    "Nobody trains it online any more. Its rows stay until the next run that goes on from where it stopped."
)


def follow(erasure: Erasure) -> None:
    """Bring the receipt up to date; done when nothing is pending. Raises what the database does, and OSError."""
    with transaction.atomic():
        parts = list(erasure.parts.select_for_update())
        _replicas(parts)
        _trainers(parts)
        _parameters(erasure, parts)
        _folders(erasure, parts)
        if not erasure.parts.filter(state=Part.State.PENDING).exists():
            erasure_finish(erasure=erasure)


def _replicas(parts: list[Part]) -> None:
    alive = set(replicas_alive().values_list("name", flat=True))
    for part in parts:
        if part.place == Place.REPLICA and part.state == Part.State.PENDING and part.name not in alive:
            _set(part, Part.State.STAYS, _SILENT)


def _trainers(parts: list[Part]) -> None:
    """Runs that were stopped before they came to the order."""
    for part in parts:
        if part.place != Place.TRAINER or part.state != Part.State.PENDING:
            continue
        if not Run.objects.filter(model_version=_version(part), mode=Run.Mode.ONLINE, wanted=True).exists():
            _set(part, Part.State.STAYS, _UNTRAINED)


def _parameters(erasure: Erasure, parts: list[Part]) -> None:
    """Whether the replicas have the deltas with the deletes."""
    known = {part.name: part for part in parts if part.place == Place.PARAMETERS}
    alive = set(replicas_alive().values_list("name", flat=True))
    for trainer in parts:
        if trainer.place != Place.TRAINER or trainer.state != Part.State.DONE:
            continue
        positions = ReplicaPosition.objects.filter(model_version=_version(trainer), replica__name__in=alive)
        reached: dict[str, int] = {}
        for name, sequence in positions.values_list("replica__name", "sequence"):
            reached[name] = min(sequence, reached.get(name, sequence))
        for replica, sequence in sorted(reached.items()):
            name = f"{replica}, {trainer.name}"
            part = known.get(name) or Part(erasure=erasure, place=Place.PARAMETERS, name=name)
            if part.state == Part.State.DONE:
                continue
            is_there = trainer.sequence is not None and sequence >= trainer.sequence
            part.sequence = trainer.sequence
            _set(part, Part.State.DONE if is_there else Part.State.PENDING, f"The replica is at {sequence:,}.")


def _folders(erasure: Erasure, parts: list[Part]) -> None:
    part = next(one for one in parts if one.place == Place.FOLDERS)
    if part.state != Part.State.PENDING:
        return
    said = {(one.place, one.name): one.updated_at for one in parts if one.state == Part.State.DONE}
    going, staying = _left(erasure, said)
    if going:
        _set(part, Part.State.PENDING, f"Written before, and gone when newer ones have taken their places: {going}.")
    elif any(one.state == Part.State.PENDING and one.pk != part.pk for one in parts):
        _set(part, Part.State.PENDING, "Some places have not said yet that they forgot.")
    elif staying:
        _set(part, Part.State.STAYS, f"These stay until a run goes on from them, or somebody removes them: {staying}.")
    else:
        _set(part, Part.State.DONE, "No folder that was written before is left.")


def _left(erasure: Erasure, said: dict[tuple[str, str], datetime]) -> tuple[str, str]:
    """The folders of before, in words: those that whoever forgot replaces by and by, and those that nobody replaces."""
    going = {"the joiner's": _num_older([joiner_folder(erasure.project)], said.get((Place.JOINER, "")))}
    staying: dict[str, int] = {}
    for version in ModelVersion.objects.filter(model__project=erasure.project).select_related("model__project"):
        folder, said_at = model_folder(version), said.get((Place.TRAINER, str(version)))
        into = staying if said_at is None else going
        for kind in ("checkpoints", "snapshots"):
            into[f"{kind} of {version}"] = _num_older([folder / kind], said_at)
        # What a run is compared with is what it began with.
        staying[f"the copy that {version} is compared with"] = _num_older([folder / "frozen"], None)
    for folder in sorted((settings.DATA_DIR / "replicas").glob(f"r-*/{erasure.project.slug}/users")):
        name = unquote(folder.parent.parent.name.removeprefix("r-"))
        said_at = said.get((Place.REPLICA, name))
        (staying if said_at is None else going)[f"{name}'s"] = _num_older([folder], said_at)
    return _listed(going), _listed(staying)


def _num_older(folders: Iterable[Path], than: datetime | None) -> int:
    """How many folders in these were written before; all, when nobody has said when."""
    num = 0
    for folder in folders:
        for manifest in folder.glob(f"*/{MANIFEST_NAME}") if folder.is_dir() else ():
            try:
                written = datetime.fromtimestamp(manifest.stat().st_mtime, UTC)
            except FileNotFoundError:  # it goes just now
                continue
            num += than is None or written < than
    return num


def _listed(numbers: dict[str, int]) -> str:
    return ", ".join(f"{num} of {name}" for name, num in numbers.items() if num)


def _version(part: Part) -> ModelVersion | None:
    name, _, number = part.name.rpartition(" v")
    found = ModelVersion.objects.filter(model__project=part.erasure.project, model__name=name, version=int(number))
    return found.select_related("model__project").first()


def _set(part: Part, state: str, note: str) -> None:
    if (part.state, part.note) != (state, note) or part.pk is None:
        part.state, part.note = state, note
        part.save()
