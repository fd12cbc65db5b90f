"""docs/python-client.md says what the code says."""

from __future__ import annotations

import subprocess
import sys

from deploy.launcher.environment import ROOT


def test_page_of_the_client_is_up_to_date() -> None:
    command = [sys.executable, "clients/python/make_docs.py", "--check"]
    checked = subprocess.run(command, cwd=ROOT, check=False)
    assert checked.returncode == 0, "run `python clients/python/make_docs.py`"
