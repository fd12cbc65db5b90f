"""What a web process would load at its first requests, loaded before it is asked, so that the first page is as fast as the next."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from django.conf import settings
from django.template.loader import get_template
from django.urls import get_resolver


def make_ready() -> int:
    """Import every view and compile every template of the console, about 1.8 s of processor time; answers how many templates."""
    # made when it is first looked for
    get_resolver().reverse_dict  # noqa: B018
    names = [str(path.relative_to(folder)) for folder in folders() for path in sorted(folder.rglob("*.html"))]
    for name in names:
        get_template(name)
    return len(names)


def folders() -> list[Path]:
    """Where the console's templates are."""
    named = cast("list[dict[str, list[str]]]", settings.TEMPLATES)
    return [Path(folder) for engine in named for folder in engine["DIRS"]]
