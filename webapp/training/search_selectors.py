"""Searches, and their trials in order of merit."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, F, Max, Min, Q, QuerySet

from engine.spec.search import SearchSettings
from webapp.accounts.models import Project
from webapp.core.errors import NotFound
from webapp.registry.models import Model
from webapp.training.search_models import Search, Trial

PARTS = ("model_version__model__project", "project")
PAGE_SIZE = 50


def searches_of(*, project: Project, model: Model | None = None) -> QuerySet[Search]:
    """Every search, or every search of the model, newest first."""
    searches = Search.objects.filter(project=project).select_related(*PARTS).order_by("-id")
    return searches if model is None else searches.filter(model_version__model=model)


def search_get(*, project: Project, search_id: int) -> Search:
    """Raises `NotFound`."""
    search = searches_of(project=project).filter(pk=search_id).first()
    if search is None:
        raise NotFound(f"There is no search {search_id}.")
    return search


def search_settings(search: Search) -> SearchSettings:
    return SearchSettings.parse(search.settings, "search")


def trials_of(*, search: Search) -> QuerySet[Trial]:
    """The search's trials, the best first; those without a value after them, in order."""
    value = (
        F("value").asc(nulls_last=True) if search_settings(search).metric.falls else F("value").desc(nulls_last=True)
    )
    return Trial.objects.filter(search=search).order_by(value, "number")


def trial_get(*, search: Search, number: int) -> Trial:
    """Raises `NotFound`."""
    trial = Trial.objects.filter(search=search, number=number).first()
    if trial is None:
        raise NotFound(f"Search {search.pk} has no trial {number}.")
    return trial


def trials_finished(*, search: Search) -> list[Trial]:
    """Those that are over, oldest first: what the next one is drawn from."""
    return list(Trial.objects.filter(search=search).exclude(state=Trial.State.RUNNING).order_by("number"))


@dataclass(frozen=True, slots=True)
class SearchRow:
    """One of the list: how many trials are over, and the best value."""

    search: Search
    num_over: int
    num_trials: int
    best: float | None


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Newest first; `older` is the id to ask for those before, 0 where there are none."""

    rows: list[SearchRow]
    older: int


def searches_page(*, project: Project, before: int = 0) -> SearchPage:
    """The project's searches with ids below `before`, or the newest."""
    found = searches_of(project=project)
    searches = list((found.filter(pk__lt=before) if before else found)[: PAGE_SIZE + 1])
    shown = searches[:PAGE_SIZE]
    is_over = ~Q(state=Trial.State.RUNNING)
    counted = Trial.objects.filter(search__in=shown).values("search_id")
    trials = {
        row["search_id"]: row
        for row in counted.annotate(num=Count("pk", filter=is_over), low=Min("value"), high=Max("value"))
    }
    rows = []
    for search in shown:
        settings, known = search_settings(search), trials.get(search.pk, {"num": 0, "low": None, "high": None})
        best = known["low"] if settings.metric.falls else known["high"]
        rows.append(SearchRow(search, int(known["num"] or 0), settings.num_trials, best))
    return SearchPage(rows, shown[-1].pk if len(searches) > PAGE_SIZE else 0)
