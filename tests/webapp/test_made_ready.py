"""What a web process has ready before its first request."""

from __future__ import annotations

from webapp.core.made_ready import folders, make_ready


def test_it_compiles_every_template_of_the_console() -> None:
    assert make_ready() == sum(len(list(folder.rglob("*.html"))) for folder in folders()) > 100
