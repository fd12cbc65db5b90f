"""Starting, stopping, and starting again after the launcher was killed: one data folder carries it all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest

from deploy.launcher.environment import ROOT
from tests.chaos.product import Product

DEATH_PATIENCE_S = 120.0


def start_refused(*arguments: str) -> str:
    """What a start that cannot succeed says."""
    done = subprocess.run(
        [sys.executable, "-m", "deploy.run", *arguments],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def still_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that patience did not see end."""
    return list(psutil.wait_procs(processes, timeout=DEATH_PATIENCE_S)[1])


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = start_refused("--data-dir", str(tmp_path / "data"), "--port", str(port))
    assert f"Port {port}" in said
    assert "make run PORT=" in said


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert str(tmp_path / "data") in start_refused("--data-dir", str(tmp_path / "data"), "--port", "18999")


@pytest.mark.timeout(600)
def test_a_killed_launcher_takes_everything_down_and_the_next_start_finds_the_data(tmp_path: Path) -> None:
    product = Product(tmp_path, "--no-demo")
    with product:
        with psycopg.connect(product.running.environment["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        said = start_refused("--data-dir", str(product.data_dir), "--port", str(product.port + 1))
        assert "already runs" in said
        assert str(product.data_dir) in said
        everything = psutil.Process(product.pid).children(recursive=True)
        assert {"postgres", "redis-server"} < {process.name() for process in everything}
        product.kill()

        product.start()
        assert still_alive(everything) == []
        with psycopg.connect(product.running.environment["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        everything = psutil.Process(product.pid).children(recursive=True)
        assert product.stop() == 0
        assert still_alive(everything) == []
