"""No web process is the parent of the others, and the address is open while one of them is away."""

from __future__ import annotations

import configparser
import socket
from pathlib import Path

import pytest

from deploy.launcher import options
from deploy.launcher.programs import configuration, programs
from deploy.uvicorn_web import opened, parsed


def sections(tmp_path: Path, host: str) -> configparser.RawConfigParser:
    chosen = programs(options.parse(["--host", host, "--port", "8123"], {}), has_stream=False)
    parser = configparser.RawConfigParser()
    parser.read_string(configuration(chosen, run_folder=tmp_path, logs=tmp_path))
    return parser


def test_the_supervisor_holds_the_socket_of_several_web_processes(tmp_path: Path) -> None:
    found = sections(tmp_path, "127.0.0.1")
    web = found["fcgi-program:web"]
    assert (web["socket"], web["numprocs"], web["process_name"]) == (
        "tcp://127.0.0.1:8123",
        "2",
        "web-%(process_num)d",
    )
    assert web["command"].endswith('"--socket" "0"')
    assert "web" not in found["group:freshet"]["programs"].split(",")


def test_an_address_that_the_supervisor_cannot_open_is_shared_by_the_processes(tmp_path: Path) -> None:
    found = sections(tmp_path, "::1")
    assert found["program:web"]["command"].endswith('"--host" "::1" "--port" "8123"')
    assert "web" in found["group:freshet"]["programs"].split(",")


def test_two_processes_bind_one_address() -> None:
    with opened(parsed(["--port", "0"])) as first:
        port = first.getsockname()[1]
        first.listen()
        with opened(parsed(["--port", str(port)])) as second:
            second.listen()
            first.close()
            with socket.create_connection(("127.0.0.1", port)):
                second.accept()[0].close()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_socket_that_was_opened_for_it_is_of_its_own_family(family: socket.AddressFamily) -> None:
    """TCP_NODELAY is set on connections of a socket that knows it is one of the internet."""
    with socket.socket(family, socket.SOCK_STREAM) as given, opened(parsed(["--socket", str(given.fileno())])) as mine:
        assert (mine.family, mine.fileno() != given.fileno()) == (family, True)
