"""What a start can be told, on the command line or by the environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """`database_url` and `redis_url` are empty when the embedded servers are wanted."""

    data_dir: Path
    host: str
    port: int
    has_demo: bool
    num_replicas: int
    database_url: str
    redis_url: str

    @property
    def base_url(self) -> str:
        """The console's address as this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"


def _between(least: int, most: int) -> Callable[[str], int]:
    def parse_number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from {least} to {most} (received {text!r})")
        return int(text)

    return parse_number


def parse(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> Options:
    """Options from `arguments`; what they leave out comes from `environment`, then from the defaults."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.run", description="Start Freshet on this machine; Ctrl-C stops it, data stays."
    )
    parser.add_argument(
        "--data-dir", type=Path, default=environment.get("FRESHET_DATA_DIR") or ".freshet", help="default: .freshet"
    )
    parser.add_argument("--host", default=environment.get("HOST_ADDRESS") or "127.0.0.1", help="default: 127.0.0.1")
    parser.add_argument(
        "--port", type=_between(1, 65535), default=environment.get("PORT") or "8000", help="default: 8000"
    )
    parser.add_argument("--no-demo", action="store_true", help="do not make the demo project in an empty database")
    parser.add_argument("--replicas", type=_between(1, 16), default=1, help="serving processes (default 1)")
    parser.add_argument(
        "--database-url", default=environment.get("DATABASE_URL", ""), help="a PostgreSQL already there"
    )
    parser.add_argument("--redis-url", default=environment.get("REDIS_URL", ""), help="a Redis already there")
    chosen = parser.parse_args(arguments)
    return Options(
        data_dir=chosen.data_dir.expanduser().resolve(),
        host=chosen.host,
        port=chosen.port,
        has_demo=not chosen.no_demo,
        num_replicas=chosen.replicas,
        database_url=chosen.database_url,
        redis_url=chosen.redis_url,
    )
