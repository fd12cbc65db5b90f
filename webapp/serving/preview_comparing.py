"""Two explained answers to one question laid beside each other: what moved, what came, what went, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from engine.serving.requests import RecommendReply
from webapp.serving.reason_words import dropped_words, rule_words

_SAME_SCORE: Final = 1e-6


@dataclass(frozen=True)
class Placed:
    """One line of an answer. `move` is how many places it rose since the other answer (negative: fell), None when it is not in that."""

    place: int
    item_id: str
    score: float
    source: str
    move: int | None
    why: str

    @property
    def fell(self) -> int:
        """How many places it fell."""
        return -(self.move or 0)


@dataclass(frozen=True)
class Gone:
    item_id: str
    place: int
    why: str


@dataclass(frozen=True)
class Row:
    """One place of both answers: either may be shorter than the other."""

    place: int
    before: Placed | None
    after: Placed | None


@dataclass(frozen=True)
class Comparison:
    rows: list[Row]
    gone: list[Gone]
    num_new: int
    num_moved: int

    @property
    def is_same(self) -> bool:
        return not (self.gone or self.num_new or self.num_moved)


def explanation_of(reply: RecommendReply) -> dict[str, Any]:
    """The reply's explanation, read; {} when there is none."""
    found: dict[str, Any] = orjson.loads(reply.explanation_json or b"{}")
    return found


def reasons_of(explanation: Mapping[str, Any]) -> dict[str, str]:
    """Why each item that the explanation names was dropped."""
    return {one["item_id"]: dropped_words(one["stage"], one["why"]) for one in explanation.get("dropped", ())}


def unexplained(reply: RecommendReply, other: RecommendReply) -> list[str]:
    """Items of `other` that `reply` neither has nor says why not: its explanation names so many of those it dropped."""
    known = {item.item_id for item in reply.items} | reasons_of(explanation_of(reply)).keys()
    return [item.item_id for item in other.items if item.item_id not in known]


def compared(before: RecommendReply, after: RecommendReply) -> Comparison:
    """Both asked with an explanation."""
    places_before = {item.item_id: place for place, item in enumerate(before.items, start=1)}
    places_after = {item.item_id: place for place, item in enumerate(after.items, start=1)}
    said_before, said_after = explanation_of(before), explanation_of(after)
    why_not_before, why_not_after = reasons_of(said_before), reasons_of(said_after)
    items_before = {one["item_id"]: one for one in said_before.get("items", ())}
    items_after = {one["item_id"]: one for one in said_after.get("items", ())}
    old = [
        Placed(place, one.item_id, one.score, one.source, None, "") for place, one in enumerate(before.items, start=1)
    ]
    new = []
    for place, one in enumerate(after.items, start=1):
        was = places_before.get(one.item_id)
        mine = items_after.get(one.item_id, {})
        if was is None:
            why = _why_new(mine, why_not_before.get(one.item_id))
        else:
            why = _why_moved(items_before.get(one.item_id, {}), mine) if was != place else ""
        new.append(Placed(place, one.item_id, one.score, one.source, None if was is None else was - place, why))
    gone = [
        Gone(item_id, place, why_not_after.get(item_id, "no source brought it"))
        for item_id, place in places_before.items()
        if item_id not in places_after
    ]
    rows = [Row(place + 1, _at(old, place), _at(new, place)) for place in range(max(len(old), len(new)))]
    return Comparison(rows, gone, sum(one.move is None for one in new), sum(bool(one.move) for one in new))


def _at(lines: list[Placed], place: int) -> Placed | None:
    return lines[place] if place < len(lines) else None


def _rules(item: Mapping[str, Any]) -> list[str]:
    return [rule_words(one["stage"], one["why"]) for one in item.get("rules", ())]


def _why_new(item: Mapping[str, Any], before: str | None) -> str:
    done = "; ".join(_rules(item))
    left_out = f"before: {before}" if before else "before: no source brought it"
    return f"{done}; {left_out}" if done else left_out


def _why_moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    rules_before, rules_after = _rules(before), _rules(after)
    said = [rule for rule in rules_after if rule not in rules_before]
    said += [f"no longer: {rule}" for rule in rules_before if rule not in rules_after]
    if said:
        return "; ".join(said)
    was, now = _last_score(before), _last_score(after)
    if was is not None and now is not None and abs(was - now) > _SAME_SCORE:
        return f"score {was:.4g} → {now:.4g}"
    return "others moved"


def _last_score(item: Mapping[str, Any]) -> float | None:
    scores = list(item.get("scores", {}).values())
    return float(scores[-1]) if scores else None
