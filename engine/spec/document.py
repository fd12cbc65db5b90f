"""What every declared document shares: frozen, no unknown keys, pydantic's errors turned into our `InvalidDocument`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from engine.errors import InvalidDocument, Problem

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""A declared name: lower case letters, digits and underscores, starting with a letter, at most 63 characters."""

RECEIVED_LIMIT = 80


def shorten(value: object) -> str:
    """`repr` of what was received, cut to `RECEIVED_LIMIT` characters so that an error never echoes a whole payload."""
    text = repr(value)
    return text if len(text) <= RECEIVED_LIMIT else text[: RECEIVED_LIMIT - 1] + "…"


class Document(BaseModel):
    """A frozen JSON document. Parse with `parse`, which raises `InvalidDocument` naming every broken field."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)

    @classmethod
    def parse(cls, data: Any, what: str | None = None) -> Self:
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            problems = [
                Problem(
                    field=".".join(str(part) for part in item["loc"]) or "(document)",
                    rule=item["msg"].removeprefix("Value error, "),
                    received=shorten(item.get("input")),
                )
                for item in error.errors(include_url=False)
            ]
            raise InvalidDocument(what or cls.__name__, problems) from error

    def as_json(self) -> dict[str, Any]:
        """The document as plain JSON types, every default written out."""
        return self.model_dump(mode="json")


def default_kind(kind: str) -> Callable[[Any], Any]:
    """A validator before a union told apart by `kind`: an object that does not say its kind is of this one."""

    def fill(value: Any) -> Any:
        return {"kind": kind, **value} if isinstance(value, dict) else value

    return fill
