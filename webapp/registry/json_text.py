"""A document as people read and write it: what fits on a line is on one; and the line on which each part of a text stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

WIDTH: Final = 96
_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n')


def written(document: Any) -> str:
    """Indented JSON, of which every part that fits within `WIDTH` columns is one line."""
    return _written(document, "")


def _written(value: Any, indent: str, before: int = 0) -> str:
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (indent and len(indent) + before + len(short) <= WIDTH):
        return short
    inner = indent + "  "
    if isinstance(value, dict):
        named = [(json.dumps(name, ensure_ascii=False) + ": ", part) for name, part in value.items()]
        lines = [inner + name + _written(part, inner, len(name)) for name, part in named]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _written(part, inner) for part in value) + f"\n{indent}]"


@dataclass(slots=True)
class _Part:
    """A value of the text: the line that it begins on, from 1, and what is in it."""

    line: int
    members: dict[str, _Part] = field(default_factory=dict)


class Lines:
    """Where the parts of a JSON text stand. The text must be JSON; what else it is, is counted as far as it goes."""

    def __init__(self, text: str) -> None:
        self._root = _parts(text)

    def of(self, path: str) -> int:
        """The line, from 1, of the deepest part that the path (`slots.1.dim`) leads to.

        A step that is not there is passed over: the specification's paths go through kinds, and name what is missing.
        """
        part = self._root
        for step in path.split("."):
            if step in part.members:
                part = part.members[step]
        return part.line


def line_of_error(message: str) -> int | None:
    """The line that a JSON reader's message names."""
    found = re.search(r"line (\d+)", message)
    return int(found[1]) if found else None


def _parts(text: str) -> _Part:
    stack: list[tuple[_Part, bool]] = []
    root, line, name = _Part(1), 1, ""
    expects_name = False
    for word in _words(text):
        if word == "\n":
            line += 1
        elif word in ("]", "}"):
            if stack:
                stack.pop()
            expects_name = False
        elif word == ",":
            expects_name = bool(stack) and stack[-1][1]
        elif word == ":":
            expects_name = False
        elif expects_name:
            name = _unquoted(word)
        else:
            part = _Part(line)
            if stack:
                _put(stack, part, name)
            else:
                root = part
            if word in ("[", "{"):
                stack.append((part, word == "{"))
                expects_name = word == "{"
    return root


def _put(stack: list[tuple[_Part, bool]], part: _Part, name: str) -> None:
    holder, is_object = stack[-1]
    holder.members[name if is_object else str(len(holder.members))] = part


def _words(text: str) -> Iterator[str]:
    for match in _WORD.finditer(text):
        yield match[0]


def _unquoted(word: str) -> str:
    try:
        return str(json.loads(word))
    except ValueError:
        return word
