"""The base of commands about one project: `--project`, and errors as a sentence instead of a trace."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from engine.errors import EngineError, InvalidDocument
from webapp.accounts.models import Project
from webapp.core.errors import AppError


class ProjectCommand(BaseCommand):
    """Implement `add_own_arguments` and `work`. `AppError`, `EngineError` and a missing file become one clear line."""

    requires_migrations_checks = False
    default_project: str | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        by_default = f" (default {self.default_project})" if self.default_project else ""
        parser.add_argument(
            "--project",
            required=self.default_project is None,
            default=self.default_project,
            metavar="SLUG",
            help=f"the project's slug{by_default}",
        )
        self.add_own_arguments(parser)

    def add_own_arguments(self, parser: CommandParser) -> None:
        """Arguments besides `--project`."""

    @abstractmethod
    def work(self, project: Project, options: dict[str, Any]) -> str | None:
        """Do it; what is answered is printed last."""

    def handle(self, *_: Any, **options: Any) -> str | None:
        try:
            return self.work(self._project(options["project"]), options)
        except InvalidDocument as error:
            lines = [f"  {problem.field}: {problem.rule} (received {problem.received})" for problem in error.problems]
            raise CommandError("\n".join(["not valid:", *lines])) from error
        except (AppError, EngineError) as error:
            raise CommandError(error.message) from error
        except OperationalError as error:
            raise CommandError(f"the database does not answer (DATABASE_URL): {error}") from error
        except OSError as error:
            raise CommandError(f"{error.filename or 'file'}: {error.strerror or error}") from error

    def _project(self, slug: str) -> Project:
        project = Project.objects.filter(slug=slug).first()
        if project is None:
            known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)[:20]) or "none"
            raise CommandError(f"there is no project {slug!r}; there are: {known}")
        return project
