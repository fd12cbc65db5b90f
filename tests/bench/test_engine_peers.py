"""A peer that cannot be had is a reason that people can read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.contestants import CONTESTANTS
from tests.bench.engine import _interpreters
from tests.bench.engine_peers import Headers, Missing, _run
from tests.bench.engine_plan import IN_CPP


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ([sys.executable, "-c", "import sys; sys.exit('one\\nno such wheel')"], "no such wheel"),
        (["/nowhere/apt-get", "download"], "apt-get download: .*No such file"),
        ([sys.executable, "-c", "raise SystemExit(7)"], "status 7"),
    ],
)
def test_a_command_that_fails_says_what_it_was_and_its_last_words(command: list[str], reason: str) -> None:
    with pytest.raises(Missing, match=reason):
        _run(command)


def test_every_contestant_of_a_family_without_headers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def interpreter(name: str) -> Path:
        raise Missing(f"no {name} here")

    monkeypatch.setattr("tests.bench.engine.environment", interpreter)
    interpreters, missing = _interpreters(Headers(missing={"boost": "no wheel"}))
    assert set(interpreters) == {""}
    assert {title for title, reason in missing.items() if reason == "no wheel"} == {
        IN_CPP["boost_inline"].title,
        IN_CPP["boost_concurrent"].title,
    }
    assert missing[CONTESTANTS["fbgemm"].title] == "no torch here"
    assert missing[CONTESTANTS["tfra"].title] == "no tfra here"
