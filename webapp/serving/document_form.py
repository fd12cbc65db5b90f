"""The form of a deployment's document: controls made from the specification's own fields, and back to its JSON.

Like a definition's form it judges nothing. What has no control of its own, parameters and calibration, is edited as JSON on the form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from engine.errors import InvalidDocument
from engine.spec.deployment import (
    Boost,
    Cap,
    DeploymentDocument,
    Diversity,
    Exploration,
    Impressions,
    Promotion,
    Retrieval,
    ScoreFormula,
    Seen,
    SourceKind,
)
from engine.spec.document import Document
from engine.spec.strict_json import BrokenJson, read_json
from webapp.registry.controls import Control, controls, variant_control
from webapp.registry.field_shapes import Variants, variants_of
from webapp.registry.form_reading import read_part, read_row, read_variant, row_indexes

ROWS: Final[dict[str, type[Document]]] = {"boosts": Boost, "promotions": Promotion, "caps": Cap}
VARIANTS: Final[dict[str, Variants]] = {
    "score": variants_of(ScoreFormula),
    "diversity": variants_of(Diversity),
    "exploration": variants_of(Exploration),
}
AS_JSON: Final = ("parameters", "calibration")
ABOUT_SOURCES: Final = {
    SourceKind.NEAREST: "nearest to the user by the retrieval model",
    SourceKind.ITEM_TO_ITEM: "what goes with the user's recent items",
    SourceKind.TRENDING_1H: "what everyone acted on in the last hour",
    SourceKind.TRENDING_24H: "what everyone acted on in the last day",
    SourceKind.LATEST: "the newest items",
    SourceKind.UNFINISHED: "what the user began and did not finish",
    SourceKind.RANDOM: "any item at all",
}

CALLED: Final = {"retrieval.max_candidates": "Candidates at most", "seen.window_s": "For how long (seconds)"}
_SOURCES: Final = {kind.value for kind in SourceKind}


def document_from_form(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The document that the posted controls describe, and what of the JSON parts is no JSON."""
    problems: list[dict[str, str]] = []
    document: dict[str, Any] = {name: [_row(name, index, data) for index in row_indexes(data, name)] for name in ROWS}
    document["retrieval"] = {"sources": _sources(data), **read_part(Retrieval, "retrieval", data, ["max_candidates"])}
    for name, shape in VARIANTS.items():
        document[name] = read_variant(shape, name, data)
    seen = read_part(Seen, "seen", data)
    document["seen"] = {name: value for name, value in seen.items() if value != []}
    document["impressions"] = read_part(Impressions, "impressions", data)
    document |= read_part(DeploymentDocument, "whole", data, ["filter", "timeout_ms"])
    for name in AS_JSON:
        text = str(data.get(name, "")).strip()
        try:
            document[name] = read_json(text) if text else {}
        except BrokenJson as error:
            document[name] = {}
            problems.append({"field": name, "rule": f"is not JSON: {error}", "received": text[:80]})
    return document, problems


def is_editable(document: Any) -> bool:
    """Whether the form can show the document."""
    try:
        DeploymentDocument.parse(document)
    except InvalidDocument:
        return False
    return True


def form_context(
    document: Mapping[str, Any],
    problems: Sequence[Mapping[str, str]],
    *,
    properties: list[str],
    data: Mapping[str, Any],
) -> dict[str, Any]:
    """What the form's template shows: controls filled from `document`, with the rule each of them breaks. `data` is what was posted."""
    rules = _rules(document, problems)
    return {
        "rows": {name: _rows(name, document, rules, properties) for name in ROWS},
        "sources": _source_rows(document, rules),
        "retrieval": _called(
            controls(Retrieval, "retrieval", document.get("retrieval") or {}, rules, only=["max_candidates"])
        ),
        "variants": {name: [_variant(name, document, rules, properties)] for name in VARIANTS},
        "seen": _called(controls(Seen, "seen", document.get("seen") or {}, rules)),
        "impressions": controls(Impressions, "impressions", document.get("impressions") or {}, rules),
        "whole": controls(DeploymentDocument, "whole", document, rules, only=["timeout_ms"]),
        "filter": {"value": document.get("filter") or "", "problem": rules.get("filter", "")},
        "as_json": [
            {
                "name": name,
                "value": data.get(name) or (indented(document[name]) if document.get(name) else ""),
                "problem": next((rule for path, rule in rules.items() if path.partition(".")[0] == name), ""),
            }
            for name in AS_JSON
        ],
    }


def _called(made: list[Control]) -> list[Control]:
    """By what they are here: the names mean something else in a model's definition."""
    return [replace(control, label=CALLED.get(control.path, control.label)) for control in made]


def change_rows(document: dict[str, Any], action: str, argument: str) -> None:
    """`add`, `boosts` appends an empty row; `remove`, `boosts.2` takes a row away."""
    part, _, index = argument.partition(".")
    if part not in ROWS:
        return
    rows = document[part]
    if action == "add":
        rows.append({})
    elif action == "remove" and index.isdigit() and int(index) < len(rows):
        del rows[int(index)]


def indented(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def _row(name: str, index: int, data: Mapping[str, Any]) -> dict[str, Any]:
    return read_row(ROWS[name], f"{name}.{index}", data)


def _sources(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """In the order of the page, those that were given a quota."""
    found = []
    for key, raw in data.items():
        part, _, kind = key.partition(".")
        if part == "sources" and kind in _SOURCES and (quota := str(raw).strip()):
            found.append({"kind": kind, "quota": int(quota) if quota.isdigit() else quota})
    return found


def _source_rows(document: Mapping[str, Any], rules: Mapping[str, str]) -> list[dict[str, Any]]:
    """Those asked first, in their order; then the others, without a quota."""
    asked = (document.get("retrieval") or {}).get("sources")
    if asked is None:
        asked = Retrieval().as_json()["sources"]
    rows = [
        {
            "kind": one["kind"],
            "quota": one["quota"],
            "about": ABOUT_SOURCES[SourceKind(one["kind"])],
            "problem": next(
                (rule for path, rule in rules.items() if path.startswith(f"retrieval.sources.{place}")), ""
            ),
        }
        for place, one in enumerate(asked)
    ]
    named = {row["kind"] for row in rows}
    rest = [
        {"kind": kind.value, "quota": "", "about": about} for kind, about in ABOUT_SOURCES.items() if kind not in named
    ]
    return rows + rest


def _rows(
    name: str, document: Mapping[str, Any], rules: Mapping[str, str], properties: list[str]
) -> list[list[Control]]:
    options = {"property": ["", *properties]} if name == "caps" else None
    return [
        controls(ROWS[name], f"{name}.{index}", row, rules, options=options)
        for index, row in enumerate(document.get(name) or [])
    ]


def _variant(name: str, document: Mapping[str, Any], rules: Mapping[str, str], properties: list[str]) -> Control:
    shape = VARIANTS[name]
    given = {"kind": next(iter(shape.models)), **(document.get(name) or {})}
    options = {"by": ["embedding", *properties]}
    return variant_control(shape, name, given, rules, label=f"{name.capitalize()}", options=options)


def _rules(document: Mapping[str, Any], problems: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Rules by the control that broke them: a path goes through the kind where only that kind has the field, and no further than it."""
    found: dict[str, str] = {}
    for problem in problems:
        parts = problem["field"].split(".")
        if len(parts) == 1:
            found[f"whole.{parts[0]}"] = problem["rule"]
        if parts[0] in VARIANTS and len(parts) > 1 and parts[1] not in VARIANTS[parts[0]].models:
            parts.insert(1, str((document.get(parts[0]) or {}).get("kind", "")))
        depth = 3 if parts[0] in ROWS or parts[0] in VARIANTS or parts[0] == "retrieval" else 2
        found[".".join(parts[:depth])] = problem["rule"]
    return found
