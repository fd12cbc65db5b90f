"""A system started for one benchmark, on a folder of its own, with this process's Django set up on it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.report import say
from tests.chaos.product import Product


@contextmanager
def started_system(*arguments: str) -> Iterator[str]:
    """Its base URL. Import models and services inside only. Everything it made is gone afterwards."""
    with started_product(*arguments) as product:
        yield product.base_url


@contextmanager
def started_product(*arguments: str) -> Iterator[Product]:
    """As `started_system`, for who looks at its processes as well."""
    say("starting a system for this benchmark")
    with (
        tempfile.TemporaryDirectory(prefix="freshet-bench-", ignore_cleanup_errors=True) as folder,
        Product(Path(folder), *arguments) as product,
    ):
        os.environ.update(product.running.environment)
        import django

        django.setup()
        yield product
