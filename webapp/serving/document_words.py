"""A deployment's document in words: each of its parts on a line of its own, so that two of them differ line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.spec.deployment import DeploymentDocument

Lines = dict[str, str]


@dataclass(frozen=True)
class Change:
    """`before` is empty for what was added, `after` for what was removed."""

    kind: Literal["added", "removed", "changed"]
    what: str
    before: str = ""
    after: str = ""


def document_lines(document: Mapping[str, Any]) -> Lines:
    """What the document says, by what it is about; parts left out are at their defaults."""
    whole = DeploymentDocument.parse(dict(document)).as_json()
    lines: Lines = {}
    for what, said in _lines(whole):
        name, number = what, 2
        while name in lines:
            name, number = f"{what} ({number})", number + 1
        lines[name] = said
    return lines


def changes(before: Lines, after: Lines) -> list[Change]:
    """In the order of `after`, what went at the end."""
    found: list[Change] = []
    for what, said in after.items():
        if what not in before:
            found.append(Change("added", what, "", said))
        elif before[what] != said:
            found.append(Change("changed", what, before[what], said))
    return found + [Change("removed", what, said, "") for what, said in before.items() if what not in after]


def _lines(whole: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if whole["filter"] is not None:
        yield "Filter", whole["filter"]
    for place, source in enumerate(whole["retrieval"]["sources"], start=1):
        yield f"Source {source['kind']}", f"{_ordinal(place)}, at most {source['quota']}"
    yield "Candidates", f"at most {whole['retrieval']['max_candidates']}"
    yield "Score", _variant(whole["score"])
    for task, values in whole["calibration"].items():
        yield f"Calibration of {task}", _pairs(values)
    yield from _seen(whole["seen"])
    for boost in whole["boosts"]:
        yield f"Boost where {boost['when']}", f"score × {boost['multiply']:g} {_added(boost['add'])}".strip()
    for promotion in whole["promotions"]:
        yield f"Promotion {promotion['name']}", _promotion(promotion)
    for cap in whole["caps"]:
        yield f"Cap on {cap['property']}", f"at most {cap['max_items']} alike"
    yield "Diversity", _variant(whole["diversity"])
    yield "Exploration", _variant(whole["exploration"])
    for name, value in whole["parameters"].items():
        yield f"Parameter ${name}", _value(value)
    yield "Impressions", whole["impressions"]["logging"]
    yield "Timeout", f"{whole['timeout_ms']} ms"


def _seen(seen: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    said = seen["policy"]
    if said == "demote":
        said += f" to {seen['demote_to']:g} of the score"
    yield "Seen items", said
    if seen["event_types"] is not None:
        yield "Seen by", ", ".join(seen["event_types"])
    if seen["window_s"] is not None:
        yield "Seen for", f"{seen['window_s']:g} s"


def _promotion(promotion: Mapping[str, Any]) -> str:
    what = f"where {promotion['when']}" if promotion["when"] is not None else _value(promotion["items"])
    return f"{what}, into place {_value(promotion['slots'])}"


def _variant(part: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in part.items() if name != "kind"}
    return f"{part['kind']}: {_pairs(rest)}" if rest else str(part["kind"])


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in values.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, list):
        shown = ", ".join(_value(one) for one in value[:6])
        return shown if len(value) <= 6 else f"{shown} and {len(value) - 6} more"
    return f"{value:g}" if isinstance(value, float) else "nothing" if value is None else str(value)


def _added(value: float) -> str:
    return "" if value == 0 else f"{'+' if value > 0 else '−'} {abs(value):g}"


def _ordinal(place: int) -> str:
    return f"{place}{'st' if place == 1 else 'nd' if place == 2 else 'rd' if place == 3 else 'th'}"
