"""Pages of imports: the list with an upload, one import while its columns are chosen and while it is taken in, and what was refused."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from engine.errors import InvalidDocument
from webapp.accounts.console import REFUSALS, account_of, problems_of, project_page
from webapp.accounts.models import Project
from webapp.catalog.guessing.sampling import read_sample
from webapp.catalog.imports import selectors, services
from webapp.catalog.imports.choices import Choices
from webapp.catalog.imports.first_choices import notes_of
from webapp.catalog.imports.form_reading import choices_from_form
from webapp.catalog.imports.page import draft_context
from webapp.catalog.imports.rejected import MAX_LINES, as_csv, first_rejected
from webapp.catalog.models import Import
from webapp.core.errors import Invalid, NotFound
from webapp.long_jobs.page import long_job_page
from webapp.registry.selectors import schema_document

REJECTED_SHOWN = 20
PIECE_BYTES = 2 << 20


def _context(project: Project, **values: Any) -> dict[str, Any]:
    return {"project": project, "page": "imports", **values}


@require_http_methods(["GET", "HEAD", "POST"])
@project_page
def imports(request: HttpRequest, project: Project) -> HttpResponse:
    problems: list[dict[str, str]] = []
    if request.method == "POST":
        try:
            draft = _uploaded(request, project)
        except REFUSALS as error:
            problems = problems_of(error) or [{"field": "file", "rule": error.message, "received": ""}]
        else:
            return redirect("import", project.slug, draft.pk)
    cursor = request.GET.get("cursor") or None
    context = _context(
        project,
        found=selectors.imports_page(project=project, cursor=cursor),
        is_first=cursor is None,
        problems=problems,
        kinds=Import.Kind.choices,
        max_bytes=settings.MAX_BODY_BYTES,
        max_file_bytes=services.max_file_bytes(),
        piece_bytes=PIECE_BYTES,
    )
    return render(request, "imports/imports.html", context, status=400 if problems else 200)


def _uploaded(request: HttpRequest, project: Project) -> Import:
    file = request.FILES.get("file")
    if file is None:
        raise Invalid.field("file", "must be chosen", "nothing")
    if file.size is not None and file.size > settings.MAX_BODY_BYTES:
        rule = f"must have at most {settings.MAX_BODY_BYTES:,} bytes where scripts are off; manage.py load_events takes any"
        raise Invalid.field("file", rule, f"{file.size:,} bytes")
    return services.import_upload(
        project=project,
        file_name=file.name or "file",
        chunks=file.chunks(),
        kind=_kind(request.POST.get("kind", "")),
        account=account_of(request),
    )


def _kind(said: str) -> Import.Kind | None:
    """What a person has said that the rows are, if anything."""
    return Import.Kind(said) if said in Import.Kind.values else None


@require_POST
@project_page
def import_begin(request: HttpRequest, project: Project) -> HttpResponse:
    """A file that comes in pieces: answers where to send them."""
    size = request.POST.get("num_bytes", "")
    try:
        draft = services.import_begin_upload(
            project=project,
            file_name=request.POST.get("file_name", ""),
            num_bytes=int(size) if size.isdecimal() and len(size) < 19 else 0,
            account=account_of(request),
        )
    except REFUSALS as error:
        return JsonResponse({"message": error.message}, status=400)
    return JsonResponse({"piece": reverse("import_piece", args=[project.slug, draft.pk])})


@require_POST
@project_page
def import_piece(request: HttpRequest, project: Project, import_id: int) -> HttpResponse:
    """The next bytes of a file, as the body; answers how many are there, and the import's page once the file is whole."""
    offset = request.GET.get("offset", "")
    try:
        loading = selectors.import_get(project=project, import_id=import_id)
        if not offset.isdecimal() or len(offset) > 18:
            raise Invalid.field("offset", "must be a number of bytes", repr(offset[:40]))
        there = services.import_append(
            loading=loading, offset=int(offset), chunk=request.body, kind=_kind(request.GET.get("kind", ""))
        )
    except REFUSALS as error:
        return JsonResponse({"message": error.message}, status=getattr(error, "status", 400))
    page = reverse("import", args=[project.slug, import_id]) if loading.choices is not None else ""
    return JsonResponse({"num_bytes": there, "page": page})


@require_GET
@project_page
def import_page(request: HttpRequest, project: Project, import_id: int) -> HttpResponse:
    """With `part=1` the progress alone, which the page asks for each second while there is any."""
    loading = selectors.import_get(project=project, import_id=import_id)
    if loading.state == Import.State.DRAFT and loading.choices is not None:
        return _draft_page(request, project, loading)
    context = _context(
        project,
        loading=loading,
        rejected=first_rejected(loading.rejected_file, REJECTED_SHOWN) if loading.has_file else [],
        max_lines=MAX_LINES,
    )
    return long_job_page(request, room="imports", template="import", job=loading, context=context)


def _draft_page(
    request: HttpRequest, project: Project, loading: Import, problems: list[dict[str, str]] | None = None
) -> HttpResponse:
    try:
        about = draft_context(loading, schema_document(project=project))
    except InvalidDocument as error:
        about, problems = {"unreadable": True}, problems_of(error)
    context = _context(project, loading=loading, problems=problems or [], **about)
    return render(request, "imports/draft.html", context, status=400 if problems else 200)


@require_POST
@project_page
def import_choose(request: HttpRequest, project: Project, import_id: int) -> HttpResponse:
    """Keep what the form says, and start when that was asked for."""
    loading = selectors.import_get(project=project, import_id=import_id)
    sample = read_sample(loading.file) if loading.file.is_file() else None
    if sample is None:
        raise NotFound(f"The file of import {import_id} is no longer on the disk; upload it again.")
    before = Choices.parse(loading.choices, "choices")
    chosen = choices_from_form(request.POST.dict(), before, sample, notes_of(sample, before))
    try:
        services.import_choose(loading=loading, choices=chosen)
        if request.POST.get("action") == "start":
            services.import_start(loading=loading)
    except REFUSALS as error:
        problems = problems_of(error) or [{"field": "import", "rule": error.message, "received": ""}]
        return _draft_page(request, project, loading, problems)
    if request.POST.get("action") == "schema":
        return redirect(f"{reverse('schema_edit', args=[project.slug])}?import={loading.pk}")
    return redirect("import", project.slug, loading.pk)


@require_POST
@project_page
def import_act(request: HttpRequest, project: Project, import_id: int) -> HttpResponse:
    """Go on, stop, take the whole file again, or delete."""
    loading = selectors.import_get(project=project, import_id=import_id)
    act = request.POST.get("act", "")
    try:
        if act == "start":
            services.import_start(loading=loading)
        elif act == "stop":
            services.import_stop(loading=loading)
        elif act == "again":
            services.import_again(loading=loading)
        elif act == "delete":
            services.import_delete(loading=loading)
            messages.success(request, f"The import of {loading.file_name} is deleted; what it took in stays.")
            return redirect("imports", project.slug)
    except REFUSALS as error:
        messages.error(request, error.message)
    return redirect("import", project.slug, import_id)


@require_GET
@project_page
def import_rejected(request: HttpRequest, project: Project, import_id: int) -> StreamingHttpResponse:
    loading = selectors.import_get(project=project, import_id=import_id)
    if not loading.rejected_file.is_file():
        raise NotFound(f"Import {import_id} has no file of rejected rows.")
    name = f"rejected-{loading.pk}"
    if request.GET.get("format") == "csv":
        disposition = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
        return StreamingHttpResponse(as_csv(loading.rejected_file), content_type="text/csv", headers=disposition)
    file = loading.rejected_file.open("rb")
    return FileResponse(file, as_attachment=True, filename=f"{name}.jsonl", content_type="application/x-ndjson")
