"""The list of runs: found by model, mode and state, in pages by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from webapp.accounts.models import Project
from webapp.training.models import Run
from webapp.training.selectors import runs_of

PAGE_SIZE: Final = 50
MAX_MODELS: Final = 200
MAX_ID_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class RunFilter:
    """What is looked for; "" is everything. What the query says and no run can be is left aside."""

    model: str = ""
    mode: str = ""
    state: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> RunFilter:
        mode, state = query.get("mode", ""), query.get("state", "")
        return cls(
            query.get("model", "")[:63].replace("\x00", ""),
            mode if mode in Run.Mode.values else "",
            state if state in Run.State.values else "",
        )

    @property
    def is_set(self) -> bool:
        return bool(self.model or self.mode or self.state)

    def query(self, **more: int) -> str:
        """For an address, without what is not set."""
        named = {"model": self.model, "mode": self.mode, "state": self.state, **more}
        return urlencode({name: value for name, value in named.items() if value})


@dataclass(frozen=True, slots=True)
class RunPage:
    """Newest first; `older` and `newer` are the query of the page after and before this one, "" where there is none."""

    runs: list[Run]
    older: str
    newer: str


def runs_page(*, project: Project, wanted: RunFilter, before: int = 0, after: int = 0) -> RunPage:
    """The runs with ids below `before`, or just above `after`, or the newest. Nothing is counted."""
    found = runs_of(project=project)
    if wanted.model:
        found = found.filter(model_version__model__name=wanted.model)
    if wanted.mode:
        found = found.filter(mode=wanted.mode)
    if wanted.state:
        found = found.filter(state=wanted.state)
    if after:
        runs = list(found.filter(pk__gt=after).order_by("pk")[: PAGE_SIZE + 1])
        has_newer, runs = len(runs) > PAGE_SIZE, runs[:PAGE_SIZE][::-1]
        has_older = bool(runs)
    else:
        runs = list((found.filter(pk__lt=before) if before else found)[: PAGE_SIZE + 1])
        has_older, runs = len(runs) > PAGE_SIZE, runs[:PAGE_SIZE]
        has_newer = bool(before) and bool(runs)
    return RunPage(
        runs,
        wanted.query(before=runs[-1].pk) if has_older else "",
        wanted.query(after=runs[0].pk) if has_newer else "",
    )


def models_with_runs(*, project: Project) -> list[str]:
    """Names, at most `MAX_MODELS`."""
    names = Run.objects.filter(project=project).order_by("model_version__model__name")
    return list(names.values_list("model_version__model__name", flat=True).distinct()[:MAX_MODELS])


def id_in(text: str) -> int:
    """A run's id; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS else 0
