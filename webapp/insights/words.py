"""What the console says of each kind of insight: what was found, what it means, what to do, and where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from webapp.core.templatetags.console import duration, number

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """`title` makes the finding's sentence from its values. `link` is the name of a page and what it is called."""

    title: Callable[[Values], str]
    means: str
    do: str
    link: str
    link_words: str
    query: Callable[[Values], dict[str, str]] = lambda _: {}


def share(value: float) -> str:
    """38 %, and 0.4 % where that is little."""
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %"


def _models(values: Values) -> str:
    names = values.get("models") or []
    return (
        f", and {', '.join(names)} reads it"
        if len(names) == 1
        else f", and {', '.join(names)} read it"
        if names
        else ""
    )


def _examples(values: Values) -> str:
    found = values.get("examples") or []
    return f", such as {', '.join(str(one)[:40] for one in found[:3])}" if found else ""


def _shift(values: Values) -> str:
    hours = values["shift_s"] / 3600
    far = f"{hours:.0f} h" if abs(hours - round(hours)) < 0.05 and hours >= 1 else duration(values["shift_s"])
    return f"Timestamps of {values['type']} are {far} {'ahead' if values['is_ahead'] else 'behind'}."


KINDS: Final[dict[str, Kind]] = {
    "rejected_rows": Kind(
        lambda v: f"{share(v['share'])} of what was sent in the last day was rejected ({number(v['num'])} rows).",
        "Rejected rows are not in the log: nothing learns from them, and who sent them was told.",
        "See which rule they break. Either the sender has it wrong, or the schema lacks something.",
        "rejected_rows",
        "Rejected rows",
    ),
    "dropped_type": Kind(
        lambda v: (
            f"{v['type']} fell by {share(v['fall'])}: {number(v['num'])} in {v['hours']} h, {number(round(v['usual']))} {v['beside']}."
        ),
        "A sender may be down or may have changed, and models learn a world with fewer of these.",
        "Ask who sends this type what was released. If it was meant, dismiss this.",
        "events",
        "Events over time",
        lambda _: {"period": "day"},
    ),
    "silent_type": Kind(
        lambda v: f"No {v['type']} came in 7 days{_silent_models(v)}.",
        "A task without labels learns that nothing ever happens; an impression type that never comes leaves actions without negatives.",
        "Send it, or take it out of the schema and of the models that predict it.",
        "schema",
        "Schema",
    ),
    "repeated_events": Kind(
        lambda v: f"{share(v['share'])} of {v['type']} are there more than once, under different event ids.",
        "Each copy is learned and counted: rates and counters come out too high.",
        "Let the sender make the event_id from the event itself, or send the same id when it tries again.",
        "event_debugger",
        "Event debugger",
        lambda v: {"type": str(v["type"])},
    ),
    "heavy_user": Kind(
        lambda v: (
            f"User {v['user_id']} made {share(v['share'])} of all events, {v['times']:,.0f} times the usual user."
        ),
        "A robot, a test, or an id that many share: what it does looks like what everybody does.",
        "Look at its history. Leave it out where events are sent, or give each of its people an id.",
        "user",
        "The user",
    ),
    "shifted_clock": Kind(
        _shift,
        "Joining, counters, ages and histories go by the event's own time: shifted actions miss the impressions they followed.",
        "Send RFC 3339 with an offset, or milliseconds since 1970 in UTC. Hours that are whole point to a local time sent as UTC.",
        "event_debugger",
        "Event debugger",
        lambda v: {"type": str(v["type"])},
    ),
    "no_actions": Kind(
        lambda v: f"{number(v['num_shown'])} impressions in 7 days, and {number(v['num_acted'])} actions.",
        "Everything that was shown is learned as a negative. A model trained on this prefers nothing.",
        "Send clicks, purchases or whatever counts, with the recommendation_id that the answer carried.",
        "api_docs",
        "API reference",
    ),
    "unattributed_actions": Kind(
        lambda v: f"Of {number(v['num_seen'])} {v['type']} {share(v['share'])} say which recommendation they followed.",
        "Without recommendation_id the joiner matches by user, item and time, experiments cannot credit an arm, and feedback stays empty.",
        "Pass the recommendation_id of the answer on with each action on one of its items.",
        "api_docs",
        "API reference",
    ),
    "unlearned_type": Kind(
        lambda v: (
            f"{number(v['num'])} {v['type']} came in 7 days, and no model predicts them, nor does a counter count them."
        ),
        "They are in histories; nothing learns what leads to them.",
        "Give a model a second task for them, or count them by item, if they say more than clicks do.",
        "models",
        "Models",
    ),
    "null_property": Kind(
        lambda v: f"{v['name']} of {v['of']} is always null{_models(v)}.",
        "A slot that never has a value is learned from by nobody, and costs time in each request.",
        "Send it, or take it out of the models and then of the schema.",
        "schema",
        "Schema",
    ),
    "constant_property": Kind(
        lambda v: f"{v['name']} of {v['of']} is always {v['value']}{_models(v)}.",
        "What is the same in each row tells rows apart by nothing.",
        "See whether the sender fills it in as meant; else models are as good without it.",
        "schema",
        "Schema",
    ),
    "unique_property": Kind(
        lambda v: (
            f"{v['name']} of {v['of']} is nearly different each time: "
            f"{number(v['num_distinct'])} values in {number(v['num_given'])} rows{_models(v)}."
        ),
        "Each value earns an embedding row that is learned from once: the table grows, and nothing is gained.",
        "Put it into buckets, or ask for several sightings before a row is admitted, or leave it out.",
        "models",
        "Models",
    ),
    "unseen_items": Kind(
        lambda v: f"{share(v['share'])} of items have no events{_examples(v)}.",
        "Models know them by their properties alone, and item-to-item not at all. Popular items crowd them out.",
        "Let some exploration show them, check that their properties are filled in, or hide what cannot be had any more.",
        "items",
        "Items",
    ),
    "bare_items": Kind(
        lambda v: f"{share(v['share'])} of items have no properties{_examples(v)}.",
        "Events made them, and nobody has described them: filters do not find them, and new ones start from nothing.",
        "Put them through the API or import the catalogue.",
        "imports",
        "Import items",
    ),
    "unknown_items": Kind(
        lambda v: f"{share(v['share'])} of the items in events are not in the catalogue{_examples(v)}.",
        "The schema says that events make no items, so these are never recommended.",
        "Put them into the catalogue, or see whether events carry another kind of id.",
        "imports",
        "Import items",
    ),
    "similar_ids": Kind(
        lambda v: f"{number(v['num'])} {v['what']} have ids that differ by case or spaces alone{_examples(v)}.",
        "Ids are compared letter by letter: one thing under two names has two embeddings and half the events each.",
        "Settle on one spelling where ids are made, and delete the others.",
        "items",
        "Items",
    ),
}


def _silent_models(values: Values) -> str:
    names = values.get("models") or []
    return f", and {', '.join(names)} predict{'s' if len(names) == 1 else ''} it" if names else ""
