"""One running Freshet: servers, database, supervised processes; started in order and stopped in the opposite one."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time

from deploy.launcher import child, database, health, programs, supervision
from deploy.launcher.data_folder import DataFolder
from deploy.launcher.environment import child_environment, own_environment
from deploy.launcher.errors import StartError
from deploy.launcher.options import Options
from deploy.launcher.ports import is_taken
from deploy.launcher.postgres import Postgres
from deploy.launcher.predecessor import MARK, end_left_behind
from deploy.launcher.redis import Redis
from deploy.launcher.terminal import Terminal, welcome

WEB_PATIENCE_S = 180.0


class System:
    """Everything that one start owns. `run` returns when `stopping` is set and all is stopped."""

    def __init__(self, options: Options, terminal: Terminal, stopping: threading.Event) -> None:
        self._options = options
        self._terminal = terminal
        self._stopping = stopping
        self._folder = DataFolder(options.data_dir)
        self._postgres: Postgres | None = None
        self._redis: Redis | None = None
        self._supervisord: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Starts, watches, stops.

        Raises:
            StartError: something is in the way; what had been started is stopped again.
        """
        self._folder.take()
        child.adopt_orphans()
        try:
            if num_left := end_left_behind(self._options.data_dir):
                self._terminal.step(f"ended {num_left} processes that a killed start had left")
            self._check_port()
            demo = self._start()
            if not self._stopping.is_set():
                self._terminal.write(welcome(self._options.base_url, str(self._options.data_dir), demo))
                self._watch()
        finally:
            self._stop()

    def _check_port(self) -> None:
        host, port = self._options.host, self._options.port
        try:
            taken = is_taken(host, port)
        except OSError as error:
            raise StartError(f"The address {host} cannot be used on this machine: {error.strerror}.") from None
        if taken:
            other = port + 1 if 1024 <= port < 65535 else 8001
            raise StartError(
                f"Port {port} on {host} is taken, or not allowed to this user.\nChoose another: make run PORT={other}"
            )

    def _start(self) -> database.Demo | None:
        self._start_servers()
        own = own_environment(self._options, self._database_url(), self._redis_url())
        environment = {**child_environment(own), MARK: str(self._options.data_dir)}
        self._terminal.step("preparing the database")
        database.migrate(environment)
        if self._options.has_demo:
            self._terminal.step("looking for a project; making the demo when there is none")
        demo = database.create_demo(environment, account_only=not self._options.has_demo)
        has_stream = self._options.has_demo and database.has_demo(environment)
        if self._stopping.is_set():
            return demo
        self._terminal.step("starting web, workers, joiner, trainer and replica")
        configuration = self._folder.run / "supervisord.conf"
        configuration.write_text(
            programs.configuration(
                programs.programs(self._options, has_stream=has_stream),
                run_folder=self._folder.run,
                logs=self._folder.logs,
            )
        )
        self._supervisord = supervision.start(configuration, logs=self._folder.logs, environment=environment)
        self._wait_for_web()
        self._folder.announce(own, self._options.base_url)
        return demo

    def _start_servers(self) -> None:
        if not self._options.database_url:
            self._terminal.step("starting PostgreSQL (embedded)")
            self._postgres = Postgres(self._options.data_dir / "postgres", log=self._folder.logs / "postgres.log")
            self._postgres.start()
        if not self._options.redis_url:
            self._terminal.step("starting Redis (embedded)")
            self._redis = Redis(
                self._options.data_dir / "redis",
                log=self._folder.logs / "redis.log",
                environment={MARK: str(self._options.data_dir)},
            )
            self._redis.start()

    def _database_url(self) -> str:
        return self._postgres.url if self._postgres else self._options.database_url

    def _redis_url(self) -> str:
        return self._redis.url if self._redis else self._options.redis_url

    def _wait_for_web(self) -> None:
        """Until the console answers, and then for a while until it finds nothing wrong: the replica takes longest."""
        deadline = time.monotonic() + WEB_PATIENCE_S
        found = None
        while not self._stopping.is_set() and (found := health.problems(self._options.base_url)) != []:
            if self._supervisord is not None and self._supervisord.poll() is not None:
                break
            if time.monotonic() > deadline:
                break
            self._stopping.wait(0.3)
        if self._stopping.is_set():
            return
        if found is None:
            log = self._folder.logs / "web-1.log"
            end = log.read_text(errors="replace").splitlines()[-12:] if log.exists() else []
            raise StartError("\n".join([f"The console does not answer. The end of {log}:", *end]))
        for problem in found:
            self._terminal.step(f"not well yet: {problem} (logs in {self._folder.logs})")

    def _watch(self) -> None:
        """Until asked to stop: a server of ours that died is started again; without supervisord there is no going on."""
        while not self._stopping.wait(1.0):
            if self._supervisord is not None and self._supervisord.poll() is not None:
                raise StartError(f"supervisord ended by itself; its log is {self._folder.logs / 'supervisord.log'}.")
            for name, server in (("PostgreSQL", self._postgres), ("Redis", self._redis)):
                if server is not None and server.process is not None and server.process.poll() is not None:
                    self._terminal.step(f"{name} ended by itself; starting it again")
                    server.start()

    def _stop(self) -> None:
        if self._supervisord is not None:
            self._terminal.step("stopping web, workers, joiner, trainer and replica")
            supervision.stop(self._supervisord)
        servers = [server for server in (self._redis, self._postgres) if server is not None]
        supervision.end_orphans({server.process.pid for server in servers if server.process is not None})
        for server in servers:
            with contextlib.suppress(OSError):
                server.stop()
        self._folder.leave()
        if self._supervisord is not None:
            self._terminal.step("stopped")
