"""A page as a reader meets it: its forms, labels and headings, parsed from the HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "input", "img", "br", "hr", "option"}


class Page(HTMLParser):
    """Collects what the tests ask for: tags with attributes, ids, labels' targets, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.inline_scripts: list[str] = []
        self.unlabelled: list[dict[str, str | None]] = []
        self.feed(html)
        self._find_unlabelled()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, {**given, "_inside_label": "yes" if "label" in self._inside else None}))
        if tag not in VOID:
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "script" in self._inside and data.strip():
            self.inline_scripts.append(data)
        elif data.strip():
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def all(self, tag: str, **wanted: Any) -> list[dict[str, str | None]]:
        return [
            given
            for name, given in self.tags
            if name == tag and all(given.get(key.rstrip("_")) == value for key, value in wanted.items())
        ]

    def value_of(self, name: str) -> str | None:
        """The value of the control with this name (of a select, its selected option is not followed)."""
        return next(
            (given.get("value") for tag, given in self.tags if tag == "input" and given.get("name") == name), None
        )

    def _find_unlabelled(self) -> None:
        labelled = {given.get("for") for given in self.all("label")}
        for tag, given in self.tags:
            is_control = tag in ("select", "textarea") or (
                tag == "input" and given.get("type") not in ("hidden", "submit")
            )
            has_label = given.get("id") in labelled or given.get("aria-label") or given.get("_inside_label")
            if is_control and not has_label:
                self.unlabelled.append(given)
