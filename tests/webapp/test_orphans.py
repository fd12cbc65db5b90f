"""A web process whose parent was killed lets go of the port."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import psutil

from webapp.core.orphans import end_with_parent

PARENT = textwrap.dedent("""
    import multiprocessing, os, sys, time

    def child(pipe):
        from webapp.core.orphans import end_with_parent
        assert end_with_parent() is not None
        pipe.send(os.getpid())
        time.sleep(120)

    if __name__ == "__main__":
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        context.Process(target=child, args=(theirs,)).start()
        print(ours.recv(), flush=True)
        time.sleep(120)
""")


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    child.wait(30)


def test_it_stays_where_nobody_made_it() -> None:
    assert end_with_parent() is None
