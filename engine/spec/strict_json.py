"""JSON text from outside, read by one set of rules wherever it comes in: a request's body, a form, a file's line, a log's record."""

from __future__ import annotations

from typing import Any

import orjson


class BrokenJson(ValueError):
    """The text is not JSON, or is JSON that nothing here could write down again; the message says where and why."""


def read_json(text: str | bytes) -> Any:
    """The document. Strict: no NaN, no number beyond a double, no lone surrogate. Raises `BrokenJson`.

    What is read is written once more, because a document can be deeper than any later writer goes; orjson's own limit
    of 254 levels is well below that of Python's recursion, on which `repr` and the other writers depend.
    """
    try:
        document = orjson.loads(text)
        orjson.dumps(document)
    except orjson.JSONDecodeError as error:
        raise BrokenJson(str(error)) from None
    except orjson.JSONEncodeError:
        raise BrokenJson("nested too deeply") from None
    return document
