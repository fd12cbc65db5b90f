"""Which column is the user, the item, the event's type and time: guessed by name and by content, each with its reason in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.spec.schema import EventRole, PropertyType
from webapp.catalog.guessing.profile import ColumnProfile
from webapp.catalog.importing.mapping import TimeUnit
from webapp.catalog.imports.choices import Use
from webapp.catalog.models import Import

MAX_TYPES: Final = 50
LEAST_CONSTANT: Final = 10
"""In so many rows a value that never changes is no accident."""
_NAMES: Final[dict[Use, tuple[str, ...]]] = {
    Use.TIME: ("timestamp", "eventtime", "time", "ts", "datetime", "eventtimestamp", "occurredat", "createdat", "date", "unixtime"),
    Use.USER: ("userid", "user", "uid", "visitorid", "visitor", "customerid", "customer", "clientid", "client", "memberid", "member",
               "accountid", "account", "reader", "readerid", "playerid", "listenerid"),
    Use.ITEM: ("itemid", "item", "productid", "product", "sku", "articleid", "article", "movieid", "movie", "contentid", "videoid", "video",
               "trackid", "songid", "bookid", "book", "isbn", "asin", "listingid", "postid", "gameid"),
    Use.TYPE: ("eventtype", "type", "event", "action", "eventname", "behavior", "behaviour", "interaction", "interactiontype", "verb"),
    Use.EVENT_ID: ("eventid", "eventuuid", "messageid"),
    Use.RECOMMENDATION: ("recommendationid",),
    Use.HIDDEN: ("hidden", "ishidden"),
}  # fmt: skip
_ENDINGS: Final[dict[Use, tuple[str, ...]]] = {
    Use.TIME: ("timestamp", "time", "date"),
    Use.USER: ("userid", "visitorid", "customerid"),
    Use.ITEM: ("itemid", "productid", "articleid", "movieid", "videoid", "trackid", "bookid"),
}
_SHOWN: Final = (
    "impression",
    "impressions",
    "shown",
    "show",
    "displayed",
    "display",
    "exposure",
    "expose",
    "served",
    "seen",
)
_NOTED: Final = ("session_start", "session_end", "login", "logout", "search", "page", "heartbeat")


@dataclass(frozen=True, slots=True)
class Guess:
    """What one column is for, and why."""

    use: Use
    because: str


@dataclass(frozen=True, slots=True)
class Guesses:
    """`of` has a guess for each column; `because` says why the rows are of `kind`. `time_unit` is of the column of times."""

    kind: Import.Kind
    because: str
    of: dict[str, Guess]
    time_unit: TimeUnit


def guess_roles(profiles: Sequence[ColumnProfile], kind: Import.Kind | None = None) -> Guesses:
    """`kind` where a person has said what the rows are."""
    found: dict[Use, tuple[ColumnProfile, str]] = {}
    taken: set[str] = set()
    for use in (Use.EVENT_ID, Use.RECOMMENDATION, Use.HIDDEN, Use.TIME, Use.USER, Use.ITEM, Use.TYPE):
        best = _best(use, [one for one in profiles if one.name not in taken])
        if best is not None:
            found[use] = best
            taken.add(best[0].name)
    if kind is None:
        kind, because = _kind(found)
    else:
        because = "as you said"
    if kind is not Import.Kind.EVENTS:
        _find_id(kind, found, profiles)
    uses = _uses_of(kind)
    chosen = {profile.name: Guess(use, why) for use, (profile, why) in found.items() if use in uses}
    of = {one.name: chosen.get(one.name) or _rest(one) for one in profiles}
    time = found.get(Use.TIME)
    return Guesses(kind, because, of, (time[0].typed.unit if time else None) or TimeUnit.ISO)


def role_of(event_type: str) -> tuple[EventRole, str]:
    """What the joiner should do with events of this type, and why."""
    words = set(re.split(r"[_\W]+", event_type.lower()))
    if words & set(_SHOWN):
        return EventRole.IMPRESSION, "its name says that something was shown"
    if event_type.lower() in _NOTED:
        return EventRole.OTHER, "its name says nothing of a wish for an item"
    return EventRole.ACTION, "it reads like something that a user did with an item"


def property_type_of(profile: ColumnProfile) -> tuple[PropertyType, str]:
    """The type to declare, and why. A property's times are milliseconds or RFC 3339; other counts of time stay whole numbers."""
    typed = profile.typed
    if typed.type is PropertyType.TIMESTAMP and typed.unit in (TimeUnit.S, TimeUnit.US):
        return (
            PropertyType.INTEGER,
            f"{typed.because}; as a property it stays a number, for times there are milliseconds",
        )
    if typed.type is PropertyType.TIMESTAMP and typed.unit is TimeUnit.TEXT_UTC:
        return PropertyType.STRING, "it is a date or time without an offset, which a timestamp must have"
    return typed.type, typed.because


def property_name_of(column: str) -> str:
    """The column's name as a property's: `Price (EUR)` is `price_eur`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column)
    name = re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")
    name = name if name[:1].isalpha() else f"p_{name}"
    return name[:63].rstrip("_") or "p"


def _uses_of(kind: Import.Kind) -> tuple[Use, ...]:
    if kind is Import.Kind.ITEMS:
        return (Use.ITEM, Use.HIDDEN)
    if kind is Import.Kind.USERS:
        return (Use.USER,)
    return (Use.USER, Use.ITEM, Use.TYPE, Use.TIME, Use.EVENT_ID, Use.RECOMMENDATION)


def _best(use: Use, profiles: Sequence[ColumnProfile]) -> tuple[ColumnProfile, str] | None:
    names = _NAMES[use]
    for wanted in names:
        for profile in profiles:
            if _squeezed(profile.name) == wanted and (why := _fits(use, profile)):
                return profile, f"its name, and {why}"
    for profile in profiles:
        if _squeezed(profile.name).endswith(_ENDINGS.get(use, ("\0",))) and (why := _fits(use, profile)):
            return profile, f"the end of its name, and {why}"
    return _by_content(use, profiles)


def _by_content(use: Use, profiles: Sequence[ColumnProfile]) -> tuple[ColumnProfile, str] | None:
    """Without a telling name only times and types are guessed: any texts could be users or items."""
    if use is Use.TIME:
        for profile in profiles:
            if profile.typed.type is PropertyType.TIMESTAMP and not profile.num_null:
                return profile, f"no column is named like a time, and of this one {profile.typed.because}"
    if use is Use.TYPE:
        for profile in profiles:
            texts = {text.lower() for text, _ in profile.values}
            if profile.num_distinct <= MAX_TYPES and texts & {
                "click",
                "view",
                "purchase",
                "addtocart",
                "impression",
                "like",
                "transaction",
            }:
                return profile, f"its values are {', '.join(sorted(texts)[:4])}"
    return None


def _fits(use: Use, profile: ColumnProfile) -> str:
    """What of the values speaks for it; empty when they speak against."""
    if profile.is_object or not profile.num_given:
        return ""
    if use is Use.TIME:
        return profile.typed.because if profile.typed.type is PropertyType.TIMESTAMP else ""
    if use is Use.HIDDEN:
        return profile.typed.because if profile.typed.type is PropertyType.BOOLEAN or profile.num_distinct <= 2 else ""
    if profile.typed.type in (PropertyType.FLOAT, PropertyType.VECTOR, PropertyType.STRING_LIST, PropertyType.BOOLEAN):
        return ""
    if use is Use.TYPE:
        few = profile.num_distinct <= MAX_TYPES and profile.typed.type is PropertyType.STRING
        return f"it has only {profile.num_distinct} different values" if few else ""
    return f"it has {profile.num_distinct:,} different values in {profile.num_given:,} rows"


def _kind(found: dict[Use, tuple[ColumnProfile, str]]) -> tuple[Import.Kind, str]:
    if Use.USER in found and Use.ITEM in found:
        return Import.Kind.EVENTS, "each row names a user and an item"
    if Use.ITEM in found and Use.USER not in found:
        return Import.Kind.ITEMS, "rows name an item and no user"
    if Use.USER in found and Use.ITEM not in found and Use.TYPE not in found:
        return Import.Kind.USERS, "rows name a user and no item"
    if Use.TIME in found:
        return Import.Kind.EVENTS, "rows have a time"
    return Import.Kind.ITEMS, "rows have neither a user nor a time"


def _find_id(kind: Import.Kind, found: dict[Use, tuple[ColumnProfile, str]], profiles: Sequence[ColumnProfile]) -> None:
    """Of items and users the column named `id`, or the first whose values never repeat, is good enough."""
    use = Use.ITEM if kind is Import.Kind.ITEMS else Use.USER
    if use in found:
        return
    named = [one for one in profiles if _squeezed(one.name) == "id" and _fits(use, one)]
    unique = [one for one in profiles if one.num_given and one.num_distinct == one.num and _fits(use, one)]
    if named:
        found[use] = named[0], "its name is id"
    elif unique:
        found[use] = unique[0], "no value of it is there twice"


def _rest(profile: ColumnProfile) -> Guess:
    if profile.is_object:
        return Guess(Use.LEAVE, "its values are objects, which no property holds")
    if not profile.num_given:
        return Guess(Use.LEAVE, "every value is empty")
    if profile.num_distinct == 1 and profile.num_given >= LEAST_CONSTANT:
        return Guess(Use.LEAVE, f"every row says {profile.examples[0]}, which tells rows apart by nothing")
    return Guess(Use.PROPERTY, "it is none of the above, and may tell users or items apart")


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
