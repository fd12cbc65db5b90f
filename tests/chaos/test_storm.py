"""Nothing acknowledged is lost, nothing is trained on twice, and the API goes on answering, whatever is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.launcher.environment import ROOT
from tests.chaos.product import GIVEN_BY_OTHERS


@pytest.mark.timeout(600)
def test_a_short_storm_breaks_no_promise(tmp_path: Path) -> None:
    report = tmp_path / "chaos.json"
    environment = {name: value for name, value in os.environ.items() if name not in GIVEN_BY_OTHERS}
    arguments = ["--short", "--only", "kill,broken,doubled", "--report", str(report)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.storm", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert found["violations"] == [], done.stdout + done.stderr
    assert found["num_faults"] == 5
    assert found["num_examples_trained"] == found["num_examples_joined"] > 0
