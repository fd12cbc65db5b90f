"""What people do with imports: upload, choose what the columns mean, start, stop, take again, delete. Workers note how far they are."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import orjson
from django.db import transaction
from django.db.models.functions import Now

from engine.errors import InvalidDocument
from webapp import environment
from webapp.accounts.models import Account, Project
from webapp.audit.services import audit_record
from webapp.catalog.guessing.sampling import read_sample
from webapp.catalog.imports.choices import Choices
from webapp.catalog.imports.first_choices import first_choices
from webapp.catalog.models import Import, file_ending
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.long_jobs.services import long_job_send, long_job_stop, long_jobs_refuse_more

MAX_KEPT: Final = 200
"""Imports of a project with a file, drafts included."""

MAX_AT_WORK: Final = 10
MAX_SORTED_BYTES: Final = 500_000_000
_DRAFT: Final = "draft:"
_ENDINGS_RULE: Final = "must end in .csv, .jsonl, .ndjson or .parquet, with .gz or .zst behind it if it is packed"
_HASHED_WHOLE_BYTES: Final = 64 << 20
_HASHED_END_BYTES: Final = 16 << 20


def max_file_bytes() -> int:
    """The largest file that the console takes: FRESHET_IMPORT_MAX_BYTES."""
    return environment.integer("FRESHET_IMPORT_MAX_BYTES", 4_000_000_000)


def import_upload(
    *,
    project: Project,
    file_name: str,
    chunks: Iterable[bytes],
    kind: Import.Kind | None = None,
    account: Account | None = None,
) -> Import:
    """A draft of the file, with choices guessed from its first rows. Raises `Invalid`, `Conflict`, and `InvalidDocument` for what is no
    readable file."""
    draft = _draft(project, file_name, 0, account)
    try:
        with draft.file.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        import_uploaded(loading=draft, kind=kind)
    except BaseException:
        import_delete(loading=draft)
        raise
    return draft


def import_uploaded(*, loading: Import, kind: Import.Kind | None = None) -> None:
    """The file is whole: guess what its columns are. Raises `InvalidDocument`."""
    guessed = first_choices(read_sample(loading.file), kind)
    loading.kind, loading.choices = Import.Kind(guessed.choices.kind), guessed.choices.as_json()
    loading.num_bytes = loading.file.stat().st_size
    loading.save(update_fields=["kind", "choices", "num_bytes", "updated_at"])


def import_begin_upload(*, project: Project, file_name: str, num_bytes: int, account: Account | None = None) -> Import:
    """A draft whose file comes in pieces (`import_append`). Raises `Invalid`, `Conflict`."""
    if not 0 < num_bytes <= max_file_bytes():
        raise Invalid.field("num_bytes", f"must be from 1 to {max_file_bytes()}", str(num_bytes))
    return _draft(project, file_name, num_bytes, account)


def _draft(project: Project, file_name: str, num_bytes: int, account: Account | None) -> Import:
    name = Path(file_name).name.replace("\x00", "")[-200:] or "file"
    if not file_ending(name):
        raise Invalid.field("file", _ENDINGS_RULE, name)
    if Import.objects.filter(project=project, has_file=True).count() >= MAX_KEPT:
        raise Conflict(f"{MAX_KEPT} uploaded files are kept; delete an import first.")
    draft = Import.objects.create(
        project=project,
        file_name=name,
        fingerprint=f"{_DRAFT}{uuid.uuid4().hex}",
        state=Import.State.DRAFT,
        has_file=True,
        num_bytes=num_bytes,
        created_by=account,
    )
    draft.folder.mkdir(parents=True, exist_ok=True)
    draft.file.touch()
    return draft


def import_append(*, loading: Import, offset: int, chunk: bytes, kind: Import.Kind | None = None) -> int:
    """The file's next piece, at its place; a piece that is sent again is written again. Answers how many bytes are there.

    Guesses once the file is whole. Raises `Conflict` for a piece that leaves a gap, `Invalid` for more than was said.
    """
    if loading.state != Import.State.DRAFT or loading.choices is not None:
        raise Conflict("The file is whole already.")
    there = loading.file.stat().st_size
    if offset > there:
        raise Conflict(f"The piece begins at byte {offset}; {there} bytes are there.", num_bytes=there)
    if offset + len(chunk) > loading.num_bytes:
        raise Invalid.field(
            "offset", f"must leave the file within its {loading.num_bytes} bytes", str(offset + len(chunk))
        )
    with loading.file.open("r+b") as file:
        file.seek(offset)
        file.write(chunk)
    there = max(there, offset + len(chunk))
    if there == loading.num_bytes:
        try:
            import_uploaded(loading=loading, kind=kind)
        except InvalidDocument:
            import_delete(loading=loading)
            raise
    return there


def import_choose(*, loading: Import, choices: Choices) -> None:
    """Keep what a person chose. Raises `Conflict` when the import is no draft any more."""
    if loading.state != Import.State.DRAFT:
        raise Conflict(
            "What the columns mean is fixed once an import was started; upload the file again to choose otherwise."
        )
    loading.kind, loading.choices = Import.Kind(choices.kind), choices.as_json()
    loading.save(update_fields=["kind", "choices", "updated_at"])


def import_start(*, loading: Import) -> Import:
    """Let a worker take the file in, from its start or from where it stopped. Raises `Conflict`, and `InvalidDocument` for what is not
    chosen yet."""
    if loading.state == Import.State.FINISHED or loading.wanted:
        raise Conflict(f"{loading.file_name} is {loading.state}.")
    if not loading.has_file or not loading.file.is_file():
        raise NotFound(f"The file of import {loading.pk} is no longer on the disk; upload it again.")
    choices = Choices.parse(loading.choices, "choices")
    if choices.sort and loading.num_bytes > MAX_SORTED_BYTES:
        rule = f"is done in memory, and so for files of at most {MAX_SORTED_BYTES:,} bytes; leave it out, or sort the file before"
        raise Invalid.field("sort by time", rule, f"{loading.num_bytes:,} bytes")
    fingerprint = _fingerprint(loading.file, choices)
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=loading.project_id)
        same = Import.objects.filter(project=loading.project, fingerprint=fingerprint).exclude(pk=loading.pk).first()
        if same is not None:
            raise Conflict(
                f"The same file was imported with the same choices already: import {same.pk}, {same.state}. "
                "Go on with that one, or take it again from its page."
            )
        long_jobs_refuse_more(of_project=Import.objects.filter(project=loading.project), most=MAX_AT_WORK)
        audit_record(project=loading.project, action="import_start", target=str(loading))
        Import.objects.filter(pk=loading.pk).update(
            fingerprint=fingerprint,
            state=Import.State.QUEUED,
            wanted=True,
            error="",
            finished_at=None,
            updated_at=Now(),
        )
        long_job_send(job=loading)
    loading.refresh_from_db()
    return loading


def import_again(*, loading: Import) -> Import:
    """Go through the whole file once more: what is there already is not doubled. Raises `Conflict` while it is at work."""
    if not loading.is_ended:
        raise Conflict(f"{loading.file_name} is {loading.state}.")
    zero = {"num_rows_done": 0, "num_accepted": 0, "num_repeated": 0, "num_rejected": 0}
    Import.objects.filter(pk=loading.pk).update(**zero, state=Import.State.STOPPED, started_at=None, updated_at=Now())
    loading.refresh_from_db()
    return import_start(loading=loading)


def import_stop(*, loading: Import) -> Import:
    """As `long_job_stop`."""
    return long_job_stop(job=loading)


def import_delete(*, loading: Import) -> None:
    """The upload, its choices and its refused rows go; what was taken in stays. Raises `Conflict` while it is at work."""
    if loading.wanted:
        raise Conflict(f"{loading.file_name} is at work; stop it first.")
    with transaction.atomic():
        if loading.choices is not None:
            audit_record(project=loading.project, action="import_delete", target=str(loading))
        folder = loading.folder if loading.has_file else None
        loading.delete()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def import_counted(*, loading: Import, num_rows: int) -> None:
    """So many rows are in the file."""
    Import.objects.filter(pk=loading.pk).update(num_rows=num_rows)
    loading.num_rows = num_rows


def _fingerprint(path: Path, choices: Choices) -> str:
    """SHA-256 of the file and of what its columns mean. Of a large file its size, beginning and end stand for it: nobody waits for
    gigabytes to be read, and events that were taken before are known by their ids anyway."""
    digest = hashlib.sha256()
    num_bytes = path.stat().st_size
    with path.open("rb") as file:
        if num_bytes <= _HASHED_WHOLE_BYTES:
            digest.update(file.read())
        else:
            digest.update(str(num_bytes).encode() + file.read(_HASHED_END_BYTES))
            file.seek(-_HASHED_END_BYTES, os.SEEK_END)
            digest.update(file.read())
    digest.update(orjson.dumps(choices.as_fingerprint(), option=orjson.OPT_SORT_KEYS))
    return digest.hexdigest()
