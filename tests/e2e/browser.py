"""The Chromium that the end-to-end tests drive: Debian's own, without its background traffic."""

from __future__ import annotations

import os
import shutil

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
NAMES = ("chromium", "google-chrome")


def chromium_path() -> str:
    """FRESHET_CHROMIUM, or the first of `NAMES` on the path. Raises `RuntimeError` saying what to install."""
    told = os.environ.get("FRESHET_CHROMIUM", "")
    found = told or next((path for name in NAMES if (path := shutil.which(name))), "")
    if not found:
        raise RuntimeError(
            "No browser is on this machine. Install Debian's package: apt-get install -y chromium "
            "(or name one in FRESHET_CHROMIUM)."
        )
    return found
