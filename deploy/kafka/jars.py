"""The broker's jars: resolved by Maven from `pom.xml` into Maven's own repository; only their class path is kept here."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy.launcher.environment import ROOT
from deploy.launcher.errors import StartError

POM = Path(__file__).with_name("pom.xml")
LEAST_JAVA = 17
MAVEN_PATIENCE_S = 900.0


def java() -> str:
    """The path of a Java that is new enough: JAVA_HOME's, or the one on the PATH. Raises `StartError`."""
    home = os.environ.get("JAVA_HOME", "")
    found = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if found is None:
        raise StartError(f"Kafka's broker needs Java {LEAST_JAVA}, and no java is on the PATH or in JAVA_HOME.")
    answered = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    version = re.search(r'version "(\d+)', answered.stderr)
    if version is None or int(version[1]) < LEAST_JAVA:
        lines = answered.stderr.splitlines()
        raise StartError(f"Kafka's broker needs Java {LEAST_JAVA}; {found} is {lines[0] if lines else 'silent'}.")
    return found


def class_path(cache: Path = ROOT / "build" / "kafka") -> str:
    """The jars, resolved again when `pom.xml` changed or one is gone. Raises `StartError` with Maven's last words."""
    kept = cache / f"{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}.classpath"
    known = kept.read_text() if kept.exists() else ""
    if known and all(Path(jar).exists() for jar in known.split(os.pathsep)):
        return known
    maven = shutil.which("mvn")
    if maven is None:
        raise StartError("Kafka's jars are resolved with Maven, and no mvn is on the PATH.")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        resolved = Path(folder) / "classpath"
        _run_maven(maven, resolved)
        resolved.replace(kept)
    return kept.read_text()


def _run_maven(maven: str, output: Path) -> None:
    command = [maven, "-B", "-q", "-f", str(POM), "dependency:build-classpath", "-DincludeScope=runtime"]
    try:
        answered = subprocess.run(  # noqa: S603 - Maven, with our own pom
            [*command, f"-Dmdep.outputFile={output}"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=MAVEN_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StartError(f"Maven did not resolve Kafka's jars within {MAVEN_PATIENCE_S:.0f} s.") from None
    if answered.returncode != 0 or not output.exists():
        lines = [line for line in (answered.stdout + answered.stderr).splitlines() if "[ERROR]" in line]
        raise StartError(f"Maven could not resolve Kafka's jars: {lines[0] if lines else 'it gave no reason'}")
