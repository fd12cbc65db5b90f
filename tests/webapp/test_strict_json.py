"""JSON from outside: the same rules for a request, a form and a file."""

from __future__ import annotations

import pytest

from webapp.core.strict_json import BrokenJson, read_json


def test_it_reads_what_is_json() -> None:
    assert read_json(b'{"a": [1, 2.5, null, true, "\\u00e9"]}') == {"a": [1, 2.5, None, True, "é"]}


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[1,]", "NaN", "Infinity", "1e400", "-1e400", "9" * 5000, '["\\ud800"]', "\ud800", "{'a': 1}",
        '{"a":' * 255 + "1" + "}" * 255, "[" * 1000 + "]" * 1000, "[" * 200_000,
    ],
)  # fmt: skip
def test_it_refuses_what_could_not_be_written_again(text: str) -> None:
    with pytest.raises(BrokenJson):
        read_json(text)


def test_it_takes_200_levels() -> None:
    assert repr(read_json("[" * 200 + "]" * 200)) == "[" * 200 + "]" * 200
