"""The form that starts a search: what was typed, guided or as JSON, and the settings that it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.errors import InvalidDocument, Problem
from engine.spec.early_stopping import WatchedMetric
from webapp.core.strict_json import BrokenJson, read_json
from webapp.training.search_parameters import CHOICE, INTEGER, KINDS, LOG, LOG_INTEGER, Parameter, parameters

GUIDED, JSON, SHOW = "guided", "json", "show"
DEFAULTS: Final = {
    "num_trials": "20",
    "max_minutes": "",
    "num_seeds": "1",
    "seed": "17",
    "fraction": "0.1",
    "metric": WatchedMetric.AUC.value,
    "task": "",
    "input_file": "",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter as it stands on the page: `name` begins the names of its controls."""

    name: str
    parameter: Parameter
    is_on: bool

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(kind, KINDS[kind]) for kind in self.parameter.kinds]


class SearchForm:
    """Of one definition, as it is first shown or as it was posted."""

    def __init__(self, document: Mapping[str, Any], posted: Mapping[str, str] | None = None) -> None:
        self.how = GUIDED if posted is None else posted.get("how", JSON if "varies" in posted else GUIDED)
        self.rows = [_row(place, each, posted) for place, each in enumerate(parameters(document))]
        self.typed = {name: (posted or {}).get(name, default) for name, default in DEFAULTS.items()}
        self.prunes = posted is None or "prunes" in posted or "how" not in posted
        self._varies = (posted or {}).get("varies", "")

    @property
    def as_json(self) -> str:
        """What varies, as JSON: as it was typed, or as the rows say it."""
        if self.how == JSON:
            return self._varies
        try:
            return _by_line(self._guided())
        except InvalidDocument:
            return self._varies or "[]"

    def settings(self) -> dict[str, Any]:
        """For `SearchSettings`, which judges it; what is not a number stays text. Raises `InvalidDocument` for what is not even that."""
        numbers = {name: _number(self.typed[name]) for name in ("num_trials", "num_seeds", "seed", "fraction")}
        settings = {
            "varies": self._from_json() if self.how == JSON else self._guided(),
            "prunes": self.prunes,
            **numbers,
        }
        settings |= {"metric": self.typed["metric"], "input_file": self.typed["input_file"]}
        if self.typed["task"]:
            settings["task"] = self.typed["task"]
        if self.typed["max_minutes"]:
            settings["max_minutes"] = _number(self.typed["max_minutes"])
        return settings

    def _from_json(self) -> Any:
        try:
            return read_json(self._varies)
        except BrokenJson as error:
            raise InvalidDocument("search", [Problem("varies", f"is not JSON: {error}", self._varies[:80])]) from error

    def _guided(self) -> list[dict[str, Any]]:
        chosen = [row.parameter for row in self.rows if row.is_on]
        if not chosen:
            raise InvalidDocument(
                "search", [Problem("varies", "must have something that varies: tick a setting", "none")]
            )
        return [_varied(each) for each in chosen]


def _row(place: int, parameter: Parameter, posted: Mapping[str, str] | None) -> Row:
    name = f"vary.{place}"
    if posted is None or posted.get(f"{name}.path") != parameter.path:
        return Row(name, parameter, parameter.is_suggested and posted is None)
    typed = {each: posted.get(f"{name}.{each}", getattr(parameter, each)) for each in ("kind", "low", "high", "values")}
    return Row(name, replace(parameter, **typed), f"{name}.on" in posted)


def _varied(parameter: Parameter) -> dict[str, Any]:
    if parameter.kind == CHOICE:
        try:
            values = read_json(f"[{parameter.values}]")
        except BrokenJson as error:
            rule = "must be JSON values, with a comma between two"
            raise InvalidDocument("search", [Problem(parameter.path, rule, parameter.values[:80])]) from error
        return {"kind": "choice", "path": parameter.path, "values": values}
    is_log = parameter.kind in (LOG, LOG_INTEGER)
    return {
        "kind": "log_range" if is_log else "range",
        "path": parameter.path,
        "low": _number(parameter.low),
        "high": _number(parameter.high),
        "whole": parameter.kind in (INTEGER, LOG_INTEGER),
    }


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _by_line(varies: list[dict[str, Any]]) -> str:
    """A JSON list with a line for each member."""
    return "[\n" + ",\n".join(f"  {json.dumps(each)}" for each in varies) + "\n]"
