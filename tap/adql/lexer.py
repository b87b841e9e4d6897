"""Query text to tokens: whitespace, comments, reserved words, and limits against hostile input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lark import Token
from lark.lexer import Lexer, LexerState

from gateway.vo.errors import QueryError
from tap.adql.words import TERMINAL_OF

MAX_LENGTH = 1_000_000
"""Longest query text, in characters."""
MAX_TOKENS = 200_000
MAX_NESTING = 50
"""Deepest nesting of parentheses and CASE expressions."""
MAX_OPERATIONS = 100
"""Most set operations and most joins in one query."""

_TOKEN = re.compile(
    r"""(?P<blank>\s+|--[^\n]*)
      |(?P<NAME>[A-Za-z][A-Za-z0-9_]*)
      |(?P<HEXADECIMAL>0[xX][0-9A-Fa-f]+(?![A-Za-z0-9_]))
      |(?P<DECIMAL>(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_])
                  |[0-9]+[eE][+-]?[0-9]+(?![A-Za-z0-9_]))
      |(?P<INTEGER>[0-9]+(?![A-Za-z0-9_.]))
      |(?P<STRING>'(?:[^']|'')*')
      |(?P<DELIMITED>"(?:[^"]|"")+")
      |(?P<COMPARE><=|>=|<>|!=|=|<|>)
      |(?P<CONCAT>\|\|)
      |(?P<mark>[-+/&|^~(),.;*])
    """,
    re.VERBOSE | re.ASCII,
)

_MARKS = {
    "(": "LPAR",
    ")": "RPAR",
    ",": "COMMA",
    ".": "DOT",
    ";": "SEMICOLON",
    "*": "STAR",
    "+": "PLUS",
    "-": "MINUS",
    "/": "SLASH",
    "&": "AMPERSAND",
    "|": "PIPE",
    "^": "CARET",
    "~": "TILDE",
}

_COUNTED = frozenset({"UNION", "EXCEPT", "INTERSECT", "JOIN"})


def place(text: str, offset: int) -> tuple[int, int]:
    """Line and column, both from 1, of an offset into `text`."""
    before = text[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def error_at(text: str, offset: int, message: str, hint: str = "") -> QueryError:
    line, column = place(text, offset)
    return QueryError(message, line=line, column=column, hint=hint)


def _refuse(text: str, offset: int) -> QueryError:
    """Why no token begins at `offset`."""
    rest = text[offset : offset + 40]
    character = rest[0]
    if character == "'":
        return error_at(
            text, offset, "This string is not closed.", "Strings end with '; write '' for a quote inside one."
        )
    if rest.startswith('""'):
        return error_at(text, offset, "A delimited identifier cannot be empty.")
    if character == '"':
        return error_at(text, offset, "This delimited identifier is not closed.", 'Identifiers end with ".')
    if character.isdigit() or character == ".":
        word = re.match(r"[\w.]+", rest)
        shown = word.group() if word else character
        return error_at(
            text,
            offset,
            f"{shown!r} is neither a number nor a name.",
            "Put a blank after a number; a name that begins with a digit needs double quotes.",
        )
    hints = {
        "_": "A name that does not begin with a letter needs double quotes.",
        "%": "ADQL has no %; use MOD(x, y).",
        "`": "Use double quotes around names.",
        "[": "ADQL has no arrays or brackets; use double quotes around names.",
        "{": "ADQL has no braces.",
        ":": "ADQL has no ::; use CAST(x AS type).",
        "!": "Write <> or != for 'not equal', NOT before a condition.",
        "\u2018": "These are typographic quotes; type a plain '.",
        "\u2019": "These are typographic quotes; type a plain '.",
        "\u201c": 'These are typographic quotes; type a plain ".',
        "\u201d": 'These are typographic quotes; type a plain ".',
        "\u2212": "This is a typographic minus; type a plain -.",
    }
    hint = hints.get(character, "")
    if not hint and character.isalpha():
        hint = "A name with letters other than A to Z needs double quotes."
    shown = character if character.isprintable() else f"U+{ord(character):04X}"
    return error_at(text, offset, f"The character {shown} has no place here.", hint)


def words(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, text, offset) of the tokens of a query.

    Raises
    ------
    QueryError
        For a character or literal that is not ADQL, and for queries over the limits of this module.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(
            f"The query has {len(text)} characters; this service reads {MAX_LENGTH} at most.",
            hint="Put long lists into a table and upload it.",
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise error_at(text, error.start, "The query is not valid Unicode.") from None
    if "\x00" in text:
        raise error_at(text, text.index("\x00"), "The query has a NUL character.")
    offset, count, depth, operations = 0, 0, 0, 0
    for found in _TOKEN.finditer(text):
        start = found.start()
        if start != offset:
            break
        offset = found.end()
        kind = found.lastgroup
        if kind == "blank":
            continue
        word = found.group()
        if kind == "NAME":
            kind = TERMINAL_OF.get(word.upper(), "NAME")
            if kind in _COUNTED:
                operations += 1
        elif kind == "mark":
            kind = _MARKS[word]
            if word == "/" and text[offset : offset + 1] == "*":
                raise error_at(text, start, "/* */ is no comment in ADQL.", "Comments begin with -- .")
        if kind in ("LPAR", "CASE"):
            depth += 1
        elif kind in ("RPAR", "END"):
            depth -= 1
        count += 1
        if depth > MAX_NESTING or count > MAX_TOKENS or operations > MAX_OPERATIONS:
            raise error_at(text, start, "The query is too large or too deeply nested.", "Simplify it.")
        yield str(kind), word, start
    if offset < len(text):
        raise _refuse(text, offset)


def tokens(text: str) -> Iterator[Token]:
    """`words` as lark's parser takes them."""
    return (Token(kind, word, start_pos=start) for kind, word, start in words(text))


class AdqlLexer(Lexer):
    """`tokens` in the form that lark calls."""

    __future_interface__ = 1

    def __init__(self, lexer_conf: Any) -> None:
        pass

    def lex(self, lexer_state: LexerState, parser_state: Any) -> Iterator[Token]:  # type: ignore[override]
        return tokens(lexer_state.text.text)  # type: ignore[union-attr]
