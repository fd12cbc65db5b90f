"""Folders that build on others: whole only together, and no damage or crash takes more than it must."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.checkpoint.folder import newest_chain, newest_folder, open_chain, write_folder
from engine.checkpoint.manifest import MANIFEST_NAME, Previous, encode_manifest, read_manifest
from engine.errors import CorruptRecord


def fill(path: Path) -> None:
    (path / "rows.bin").write_bytes(path.name.encode() * 4)
    (path / "rest.bin").write_bytes(b"rest of " + path.name.encode())


def chain(parent: Path, *names: str, keep: int = 3) -> list[Path]:
    """The first of them is a base, the others build on each other."""
    written: list[Path] = []
    for name in names:
        written.append(write_folder(parent, name, fill, {}, keep=keep, previous=written[-1] if written else None))
    return written


def names(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir())


def test_chain_is_opened_base_first(tmp_path: Path) -> None:
    written = chain(tmp_path, "01", "02", "03")
    found = newest_chain(tmp_path)
    assert found is not None
    assert [manifest.folder for manifest in found] == written
    assert [manifest.folder for manifest in open_chain(written[1])] == written[:2]


def test_folder_without_its_base_is_no_place_to_start_from(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chain(tmp_path, "01", "02")
    chain(tmp_path, "03", "04", "05")
    (tmp_path / "03" / "rows.bin").write_bytes(b"altered")
    with caplog.at_level(logging.WARNING):
        assert newest_folder(tmp_path) == tmp_path / "02"
    assert caplog.text.count(str(tmp_path / "03" / "rows.bin")) == 3, "each that needs it says what is wrong, and where"


def test_another_folder_of_the_bases_name_is_not_the_base(tmp_path: Path) -> None:
    chain(tmp_path, "01", "02")
    shutil.rmtree(tmp_path / "01")
    write_folder(tmp_path, "01", fill, {"another": True})
    with pytest.raises(CorruptRecord, match="not the one that 02 builds on"):
        open_chain(tmp_path / "02")
    assert newest_folder(tmp_path) == tmp_path / "01"


def test_pruning_keeps_what_is_built_on_and_one_chain_more(tmp_path: Path) -> None:
    chain(tmp_path, "01", "02")
    chain(tmp_path, "03", "04", "05", "06", "07")
    # The newest three build on all of their chain; were its base damaged, the end of the chain before would do.
    assert names(tmp_path) == ["01", "02", "03", "04", "05", "06", "07"]
    chain(tmp_path, "08")
    assert names(tmp_path) == ["03", "04", "05", "06", "07", "08"]
    chain(tmp_path, "09")
    chain(tmp_path, "10")
    assert names(tmp_path) == ["08", "09", "10"]


def test_folder_cannot_build_on_the_one_it_replaces(tmp_path: Path) -> None:
    (base,) = chain(tmp_path, "01")
    with pytest.raises(ValueError, match="previous must be another folder"):
        write_folder(tmp_path, "01", fill, {}, previous=base)
    assert newest_folder(tmp_path) == base


def test_manifest_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    (base,) = chain(tmp_path / "inside", "01")
    (base / MANIFEST_NAME).write_bytes(encode_manifest(read_manifest(base).files, {}, Previous("../x", "")))
    with pytest.raises(CorruptRecord, match="name of a folder beside it"):
        open_chain(base)


def states_of_a_killed_writer(whole: Path) -> Iterator[Callable[[Path], None]]:
    """What a writer leaves when it is killed after any byte: some files whole, one cut short, the manifest last."""
    files = [*sorted(path for path in whole.iterdir() if path.name != MANIFEST_NAME), whole / MANIFEST_NAME]
    for place, last in enumerate(files):
        for size in range(last.stat().st_size + 1):

            def leave(aside: Path, place: int = place, last: Path = last, size: int = size) -> None:
                aside.mkdir()
                for path in files[:place]:
                    shutil.copy(path, aside)
                (aside / last.name).write_bytes(last.read_bytes()[:size])

            yield leave


def test_writer_killed_after_any_byte_leaves_the_folder_before(tmp_path: Path) -> None:
    whole = tmp_path / "elsewhere"
    (base, written) = chain(whole, "01", "02")
    shutil.copytree(base, tmp_path / "there" / "01")
    aside = tmp_path / "there" / "02.writing"
    num_states = 0
    for leave in states_of_a_killed_writer(written):
        leave(aside)
        assert newest_folder(tmp_path / "there") == tmp_path / "there" / "01"
        shutil.rmtree(aside)
        num_states += 1
    assert num_states > 500
    leave(aside)
    write_folder(tmp_path / "there", "03", fill, {})
    assert names(tmp_path / "there") == ["01", "03"], "the next writer clears away what the killed one left"


@pytest.mark.parametrize("damage", ["shorten", "flip"])
def test_file_damaged_at_any_byte_is_named_and_the_folder_before_is_used(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    base, written = chain(tmp_path, "01", "02")
    for path in sorted(written.iterdir()):
        whole = path.read_bytes()
        for place in range(len(whole)):
            flipped = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
            path.write_bytes(flipped if damage == "flip" else whole[:place])
            with pytest.raises(CorruptRecord) as refused:
                open_chain(written)
            assert path.name in refused.value.message, (place, refused.value.message)
        with caplog.at_level(logging.WARNING):
            assert newest_folder(tmp_path) == base
        assert path.name in caplog.text
        path.write_bytes(whole)
    assert newest_folder(tmp_path) == written


def test_manifest_of_the_first_format_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "01"
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    # sha256("x"), from coreutils' sha256sum
    sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    (folder / MANIFEST_NAME).write_text(
        f'{{"format": 1, "meta": {{"sequence": 7}}, "files": [{{"path": "a.txt", "size_bytes": 1, "sha256": "{sha256}"}}]}}'
    )
    (manifest,) = open_chain(folder)
    assert (manifest.meta, manifest.previous) == ({"sequence": 7}, None)
