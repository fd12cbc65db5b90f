"""A signed-in browser, as the console's other tests have it."""

from __future__ import annotations

from tests.webapp.console.conftest import account, browser

__all__ = ["account", "browser"]
