"""Documents as text: written so that rows are lines, and every part found on its line."""

from __future__ import annotations

import json

from tests.webapp.console.full_definition import FULL_RANKING
from webapp.registry.json_text import WIDTH, Lines, line_of_error, written

TEXT = """{
  "slots": [
    {"name": "a", "dim": 16},
    {
      "name": "b",
      "admission": {"kind": "min_count",
        "min_count": 0}
    }
  ],
  "odd \\"name\\"": {"x": [1,
    2]},
  "architecture": {"kind": "fm"}
}"""


def test_it_writes_what_it_reads_and_keeps_lines_short() -> None:
    text = written(FULL_RANKING)
    assert json.loads(text) == FULL_RANKING
    assert list(json.loads(text)) == list(FULL_RANKING)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert '    {"kind": "cross", "name": "both", "sources": ["user.id", "item.id"]},\n' in text


def test_it_writes_short_documents_and_odd_values() -> None:
    assert written({}) == "{}"
    assert written([1, "ü\n"]) == '[\n  1,\n  "ü\\n"\n]'
    assert written(None) == "null"


def test_it_finds_the_line_of_every_part() -> None:
    lines = Lines(TEXT)
    assert lines.of("slots") == 2
    assert lines.of("slots.0.dim") == 3
    assert lines.of("slots.1") == 4
    assert lines.of("slots.1.name") == 5
    assert lines.of('odd "name".x.1') == 11
    assert lines.of("architecture.kind") == 12


def test_it_passes_over_kinds_and_what_is_missing() -> None:
    lines = Lines(TEXT)
    assert lines.of("slots.1.admission.min_count.min_count") == 7
    assert lines.of("slots.1.source") == 4
    assert lines.of("architecture.fm.hidden") == 12
    assert lines.of("(document)") == 1


def test_it_finds_lines_in_what_it_writes() -> None:
    text = written(FULL_RANKING)
    lines = text.splitlines()
    where = Lines(text)
    assert lines[where.of("sparse_optimizer.adam.beta1") - 1].strip().startswith('"beta1"')
    assert '"event_type": "click"' in lines[where.of("tasks.1.binary.event_type") - 1]
    assert '"history"' in lines[where.of("slots.2") - 1] or lines[where.of("slots.2") - 1].strip() == "{"


def test_it_reads_the_line_that_a_reader_complains_of() -> None:
    assert line_of_error("unexpected character: line 12 column 3 (char 99)") == 12
    assert line_of_error("nested too deeply") is None


def test_it_survives_what_is_no_json() -> None:
    for broken in ("", "{", '{"a": [1,', "]]]", '{"a" "b"}', "\\"):
        Lines(broken).of("a.b")
