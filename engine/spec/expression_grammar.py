"""The grammar of expressions (docs/filters.md explains it), and its parser."""

from __future__ import annotations

from functools import cache
from typing import Final

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken

GRAMMAR: Final = r"""
?start: any_of

?any_of: all_of (OR all_of)*
?all_of: negation (AND negation)*
?negation: NOT negation -> not_
    | condition

?condition: sum
    | sum (EQ | NE | LT | LE | GT | GE) sum -> comparison
    | sum IN sum -> in_
    | sum NOT IN sum -> not_in
    | sum HAS sum -> has
    | sum HAS (ANY | ALL) sum -> overlap
    | sum IS NULL -> is_null
    | sum IS NOT NULL -> is_not_null

?sum: product
    | sum (PLUS | MINUS) product -> arithmetic
?product: signed
    | product (TIMES | OVER) signed -> arithmetic
?signed: atom
    | MINUS signed -> negated

?atom: NUMBER -> number
    | DURATION -> duration
    | TEXT -> text
    | TRUE -> true
    | FALSE -> false
    | NULL -> null
    | NOW "(" ")" -> now
    | NAME -> path
    | PARAMETER -> parameter
    | LIST_START [_element ("," _element)*] "]" -> list_
    | "(" any_of ")"

_element: any_of

OR: "or"
AND: "and"
NOT: "not"
IN: "in"
HAS: "has"
ANY: "any"
ALL: "all"
IS: "is"
NULL: "null"
TRUE: "true"
FALSE: "false"
NOW: "now"
EQ: /==?/
NE: "!="
LE: "<="
GE: ">="
LT: "<"
GT: ">"
PLUS: "+"
MINUS: "-"
TIMES: "*"
OVER: "/"
LIST_START: "["
DURATION.2: /\d+(\.\d+)?(ms|[smhdw])(?![A-Za-z0-9_])/
NUMBER: /\d+(\.\d+)?([eE][+-]?\d+)?/
TEXT: /"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/s
NAME: /[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*/
PARAMETER: /\$[A-Za-z_][A-Za-z0-9_]*/

%import common.WS
%ignore WS
"""

_VALUE_STARTS: Final = frozenset(
    ("NUMBER", "DURATION", "TEXT", "TRUE", "FALSE", "NULL", "NOW", "NAME", "PARAMETER", "LIST_START", "LPAR", "MINUS")
)
_SIGNS: Final = frozenset(("EQ", "NE", "LT", "LE", "GT", "GE", "PLUS", "MINUS", "TIMES", "OVER", "IN", "HAS", "IS"))
_WORDS: Final = {"$END": "the end", "LPAR": "'('", "RPAR": "')'", "RSQB": "']'", "COMMA": "','"}


@cache
def parser_into(builder: type[Transformer[Token, object]]) -> Lark:
    """A parser that builds by `builder` while it reads, without a tree of its own and without recursion. Made once."""
    return Lark(GRAMMAR, parser="lalr", transformer=builder(), maybe_placeholders=False)


def place_of(error: UnexpectedInput, text: str) -> int:
    """The number of the character (from 1) that could not be read; one past the last for an end that came too soon."""
    if isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
        return len(text) + 1
    place = error.pos_in_stream
    return len(text) + 1 if place is None or place < 0 else place + 1


def expectation(error: UnexpectedInput) -> str:
    """What could have stood there, in words."""
    expected: set[str] = set()
    if isinstance(error, UnexpectedCharacters):
        expected = set(error.allowed or ())
    elif isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
    found: list[str] = []
    if "NUMBER" in expected:
        found.append("a value")
        expected -= _VALUE_STARTS
    if "EQ" in expected:
        found.append("a comparison such as = or in")
    expected -= _SIGNS
    found += sorted(_WORDS.get(one, f"'{one.lower()}'") for one in expected)
    return f"must be {' or '.join([', '.join(found[:-1]), found[-1]] if len(found) > 1 else found)}"
