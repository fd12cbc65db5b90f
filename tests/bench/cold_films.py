"""MovieLens 100K as a stream of positive actions in which some films are never learned from."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.spec.example import Cause, Example, Origin

Properties = dict[str, dict[str, Any]]

_LIKED: Final = 4
_FEWEST: Final = 5
_COLD_SHARE: Final = 1 / 7
_LEARNED_SHARE: Final = 0.9
_HISTORY: Final = 20


@dataclass(frozen=True, slots=True)
class Films:
    """`learned` has no action on a film of `cold`; `asked` are later actions, and all on cold films, of users with a history."""

    properties: Properties
    cold: frozenset[str]
    learned: list[Example]
    asked: list[Example]


def read_films(folder: Path, generator: np.random.Generator) -> Films:
    """Raises OSError where the data set is not there."""
    properties, users = _films(folder), _users(folder)
    actions = sorted(_likes(folder))
    counts = Counter(film for _, _, film in actions)
    often = sorted(film for film, count in counts.items() if count >= _FEWEST)
    cold = frozenset(generator.choice(often, int(len(often) * _COLD_SHARE), replace=False).tolist())
    split_s = actions[int(len(actions) * _LEARNED_SHARE)][0]
    learned: list[Example] = []
    asked: list[Example] = []
    histories: dict[str, list[str]] = {}
    for number, (time_s, user, film) in enumerate(actions):
        history = histories.setdefault(user, [])
        example = Example(
            f"e{number}",
            user,
            film,
            time_s * 1000,
            Origin.ACTION,
            {"click": 1.0},
            Cause(0, number, time_s * 1000),
            user=users[user],
            item=properties[film],
            history=tuple(history[-_HISTORY:]),
        )
        if film in cold:
            asked.extend([example] if history else [])
            continue
        (learned if time_s < split_s else asked).append(example)
        history.append(film)
    seen = {film: properties[film] for film in counts}
    return Films(seen, cold, learned, asked)


def _likes(folder: Path) -> Iterator[tuple[int, str, str]]:
    with gzip.open(folder / "u.data.gz", "rt") as lines:
        for line in lines:
            user, film, rating, time_s = line.split()
            if int(rating) >= _LIKED:
                yield int(time_s), user, film


def _films(folder: Path) -> Properties:
    genres = [line.split("|")[0] for line in (folder / "u.genre").read_text("latin1").splitlines() if "|" in line]
    films = {}
    for line in (folder / "u.item").read_text("latin1").splitlines():
        fields = line.split("|")
        flags = fields[-len(genres) :]
        mine = [genre for genre, flag in zip(genres, flags, strict=True) if flag == "1"]
        films[fields[0]] = {"genres": mine, "year": fields[2][-4:]}
    return films


def _users(folder: Path) -> Properties:
    users = {}
    for line in (folder / "u.user").read_text("latin1").splitlines():
        user, age, gender, job = line.split("|")[:4]
        users[user] = {"age": str(int(age) // 10), "gender": gender, "job": job}
    return users
