"""Query text to the syntax tree of tree.py."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

from lark import Lark, Token
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError

from gateway.vo.errors import QueryError
from tap.adql import forms, tree
from tap.adql.build import SWITCHED_OFF, Builder, Problem
from tap.adql.extensions import ALL_EXTENSIONS, Extension, of_function
from tap.adql.lexer import AdqlLexer, error_at
from tap.adql.words import FUNCTION_HINTS, FUNCTIONS, HINTS, RESERVED

_NAMES = {
    "NAME": "a name",
    "DELIMITED": "a name",
    "INTEGER": "a number",
    "DECIMAL": "a number",
    "HEXADECIMAL": "a number",
    "STRING": "a string",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": "a comma",
    "DOT": ".",
    "STAR": "*",
    "COMPARE": "a comparison",
    "FUNCTION": "a function",
    "AGGREGATE": "a function",
    "COUNT": "a function",
    "CAST": "a function",
}
_VALUE_STARTS = frozenset({"INTEGER", "STRING", "NAME", "LPAR"})


@cache
def _parser(extensions: frozenset[Extension], functions: frozenset[str]) -> Lark:
    def check_call(call: tree.Call) -> None:
        if call.name.islower() and call.name in functions:
            extension = of_function(call.name)
            if extension is not None and extension not in extensions:
                raise Problem(call.at, f"{call.name} is not ADQL.", SWITCHED_OFF)
        elif call.name.islower():
            offered = [name for name in functions if of_function(name) in (None, *extensions)]
            known = get_close_matches(call.name, [*offered, *(name.lower() for name in FUNCTIONS)], 3)
            hint = FUNCTION_HINTS.get(call.name.upper(), "") or (
                f"Do you mean {' or '.join(known)}?" if known else ""
            )
            raise Problem(call.at, f"There is no function {call.name}.", hint)
        forms.check(call)

    builder = Builder()
    builder.allowed = extensions
    builder.check_call = check_call  # type: ignore[method-assign]
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        lexer=AdqlLexer,
        transformer=builder,
        maybe_placeholders=False,
        propagate_positions=False,
    )


@lru_cache(maxsize=256)
def parse(
    text: str, extensions: frozenset[Extension] = ALL_EXTENSIONS, functions: frozenset[str] = frozenset()
) -> tree.Statement:
    """The syntax tree of a query.

    Parameters
    ----------
    functions
        Names of the user-defined functions that there are, in lower case.

    Raises
    ------
    QueryError
        With line, column and, where there is one, the likely fix.
    """
    if not text.strip():
        raise QueryError("The query is empty.")
    try:
        return _parser(extensions, functions).parse(text)  # type: ignore[return-value]
    except UnexpectedToken as error:
        raise _explain(text, error) from None
    except UnexpectedInput as error:
        raise QueryError(f"The query cannot be read: {error}") from None
    except VisitError as error:
        if isinstance(error.orig_exc, Problem):
            raise _from_problem(text, error.orig_exc) from None
        raise
    except Problem as problem:
        raise _from_problem(text, problem) from None
    except RecursionError:
        raise QueryError("The query is too deeply nested.", hint="Simplify it.") from None


def _from_problem(text: str, problem: Problem) -> QueryError:
    return error_at(text, problem.at, problem.message, problem.hint)


def _listed(accepted: set[str]) -> str:
    """What could have stood here, in words, shortest list first."""
    if accepted >= _VALUE_STARTS:
        return "a value"
    ends = {"$END", "SEMICOLON"}
    names = sorted({_NAMES.get(name, name.replace("_TYPE", "")) for name in accepted - ends})
    return ", ".join(names) if len(names) <= 6 else ""


def _explain(text: str, error: UnexpectedToken) -> QueryError:
    token: Token = error.token
    accepted = set(error.accepts or error.expected or ())
    if token.type == "$END":
        opened = text.count("(") > text.count(")")
        what = "Close the parenthesis." if opened else ""
        listed = _listed(accepted)
        hint = (
            what
            or _context_hint(text, len(text), token, accepted)
            or (f"Expected {listed}." if listed else "")
        )
        return error_at(text, len(text.rstrip()), "The query ends too early.", hint)
    at, word = token.start_pos or 0, str(token)
    upper = word.upper()
    message = f"{word!r} has no place here." if len(word) < 60 else "This has no place here."
    hint = HINTS.get(upper, "") or _context_hint(text, at, token, accepted)
    if not hint and upper in RESERVED and token.type != "STRING" and accepted & {"NAME", "DELIMITED"}:
        kind = "a function of ADQL" if upper in FUNCTIONS else "a reserved word"
        hint = f'{upper} is {kind}; as a name it needs double quotes: "{word}".'
    if not hint:
        listed = _listed(accepted)
        hint = f"Expected {listed}." if listed else ""
    return error_at(text, at, message, hint)


def _context_hint(text: str, at: int, token: Token, accepted: set[str]) -> str:
    """Hints that depend on what stands before the token."""
    before = text[:at].rstrip()
    expected = _expected_hint(before, token, accepted)
    if expected:
        return expected
    previous = re.search(r"(\w+)$", before)
    last = previous.group(1).upper() if previous else ""
    if last in HINTS and last not in RESERVED:
        return HINTS[last]
    if "LPAR" in accepted and not accepted & _VALUE_STARTS - {"LPAR"} and last in RESERVED:
        return f'{last} is a function of ADQL; as a name it needs double quotes: "{previous.group(1) if previous else ""}".'
    if token.type == "SELECT" and before.endswith("("):
        return "A sub-query can stand after IN and EXISTS and in FROM, not as a value."
    if token.type == "WITH":
        return "WITH can stand at the very beginning only."
    if token.type == "DISTINCT" and re.search(r"\bTOP\s+\d+$", before, re.IGNORECASE):
        return "DISTINCT comes before TOP."
    if token.type == "TOP":
        return "TOP comes right after SELECT (and DISTINCT)."
    if token.type == "COMMA" and before.endswith("*"):
        return "Nothing can follow * in a select list; use table.* instead."
    if token.type == "MINUS" and last in ("TOP", "OFFSET"):
        return f"{last} takes a number that is not negative."
    if token.type in ("DECIMAL", "NAME") and last in ("TOP", "OFFSET"):
        return f"{last} takes an integer, written out."
    if token.type in ("FROM", "RPAR") and before.endswith(","):
        return "There is a comma too many before it."
    if token.type == "RPAR" and before.endswith("("):
        return "Something is missing between the parentheses."
    if "ON" in accepted and "USING" in accepted:
        return "A JOIN needs ON or USING (or NATURAL before it)."
    if token.type == "COMPARE" and token == "=" and before.endswith("="):
        return "Write = once."
    if token.type == "DELIMITED" and "STRING" in accepted and "DELIMITED" not in accepted:
        return "Strings stand between single quotes."
    if token.type in ("ORDER", "OFFSET") and "UNION" in accepted:
        return "Put the query that has it in parentheses."
    return ""


_ANGLES = frozenset({"DEG", "DEGREE", "DEGREES", "ARCMIN", "ARCSEC", "MAS"})
_WORDS = frozenset({"NAME", "DELIMITED", "FUNCTION", "AGGREGATE", "COUNT", "RESERVED"})


def _expected_hint(before: str, token: Token, accepted: set[str]) -> str:
    """Hints that say what is missing before the token, or what it should have been."""
    if token.type == "FROM" and re.search(r"\b(SELECT|DISTINCT|ALL|TOP\s+\d+)$", before, re.IGNORECASE):
        return "Columns are missing before FROM; * stands for all of them."
    if token.type == "$END" and "FROM" in accepted:
        return "A query needs FROM and a table."
    if before.endswith(")") and accepted <= {"AS", "NAME", "DELIMITED"}:
        return "A sub-query in FROM needs a name: (SELECT ...) AS t."
    if "LPAR" in accepted and re.search(r"\bUSING$", before, re.IGNORECASE):
        return "The columns of USING stand in parentheses: USING (id)."
    if token.type == "RPAR" and before.count("(") <= before.count(")"):
        return "There is a closing parenthesis too many."
    if token.type == "ORDER" and re.search(r"\bOFFSET\s+\d+$", before, re.IGNORECASE):
        return "ORDER BY comes before OFFSET."
    if before.endswith(";"):
        return "Only one query is answered at a time."
    if token.type == "STAR" and before.endswith("*"):
        return "Use POWER(x, y)."
    if "VARCHAR" in accepted and "NAME" not in accepted:
        return "The types are SMALLINT, INTEGER, BIGINT, REAL, DOUBLE PRECISION, CHAR, VARCHAR, TIMESTAMP and the shapes."
    if token.type not in _WORDS or not accepted & {"AND", "GROUP"} or "FROM" in accepted:
        return ""
    if token.upper() in _ANGLES:
        return "Angles are plain numbers, in degrees: 1/60. is an arcminute."
    if "AND" in accepted and "OR" not in accepted:
        return "BETWEEN needs AND: x BETWEEN 1 AND 2."
    if re.search(r"\b(WHERE|HAVING|ON)\b", before, re.IGNORECASE) and token.upper() != "SORT":
        return "AND or OR is missing before it."
    return "Use ORDER BY." if token.upper() == "SORT" else ""
