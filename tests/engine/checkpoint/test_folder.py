from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.checkpoint.folder import newest_folder, open_folder, write_folder
from engine.errors import CorruptRecord


def _fill(text: str) -> Callable[[Path], None]:
    def fill(path: Path) -> None:
        (path / "deep").mkdir()
        (path / "a.txt").write_text(text)
        (path / "deep" / "b.txt").write_text(text * 2)

    return fill


def test_folder_holds_what_was_written_and_its_meta(tmp_path: Path) -> None:
    path = write_folder(tmp_path, "0001", _fill("x"), {"sequence": 7})
    manifest = open_folder(path)
    assert manifest.meta == {"sequence": 7}
    assert [(entry.path, entry.size_bytes) for entry in manifest.files] == [("a.txt", 1), ("deep/b.txt", 2)]
    # sha256("x"), from coreutils' sha256sum
    assert manifest.files[0].sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def test_fill_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fill(path: Path) -> None:
        (path / "half").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_folder(tmp_path, "0001", fill, {})
    assert list(tmp_path.iterdir()) == []


def test_folder_left_by_a_kill_is_ignored_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "0002.writing").mkdir()
    (tmp_path / "0002.writing" / "junk").write_text("junk")
    assert newest_folder(tmp_path) is None
    path = write_folder(tmp_path, "0002", _fill("y"), {})
    assert newest_folder(tmp_path) == path
    assert not (path / "junk").exists()


@pytest.mark.parametrize("damage", ["flip", "shorten", "remove", "manifest"])
def test_damaged_folder_is_skipped_and_says_why(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    good = write_folder(tmp_path, "0001", _fill("good"), {})
    bad = write_folder(tmp_path, "0002", _fill("bad!"), {})
    match damage:
        case "flip":
            (bad / "a.txt").write_text("baD!")
        case "shorten":
            (bad / "a.txt").write_text("bad")
        case "remove":
            (bad / "a.txt").unlink()
        case "manifest":
            (bad / "manifest.json").write_text("{")
    with pytest.raises(CorruptRecord):
        open_folder(bad)
    with caplog.at_level(logging.WARNING):
        assert newest_folder(tmp_path) == good
    assert "0002" in caplog.text


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    for number in range(5):
        write_folder(tmp_path, f"{number:04d}", _fill("z"), {}, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0003", "0004"]


def test_nothing_written_gives_none(tmp_path: Path) -> None:
    assert newest_folder(tmp_path / "absent") is None


def test_folder_just_written_stays_though_its_damaged_elders_sort_after_it(tmp_path: Path) -> None:
    for name in ("0007", "0008", "0009"):
        (write_folder(tmp_path, name, _fill("x"), {}) / "a.txt").unlink()
    written = write_folder(tmp_path, "0001", _fill("x"), {})
    assert newest_folder(tmp_path) == written
    written = write_folder(tmp_path, "0002", _fill("x"), {})
    assert newest_folder(tmp_path) == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0002", "0008", "0009"]
