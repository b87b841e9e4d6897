"""The small language of collection profiles: arithmetic, comparisons and a fixed set of functions.

`2 * max(AEFF.THETA_HI)` is parsed by Python's own parser, checked against a list of node types and
evaluated by this module: nothing is ever passed to `eval`.  Null goes through arithmetic as in SQL.
"""

from __future__ import annotations

import ast
import difflib
import operator
from collections.abc import Callable, Mapping
from typing import Any

_BINARY: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class ExpressionError(ValueError):
    """The expression is not of this language, or names what does not exist."""


class Missing(LookupError):
    """A header keyword, HDU or table row that an expression needs is not in this file."""


class Expression:
    """A checked expression.

    Parameters
    ----------
    text
        The expression, e.g. `wavelength(obs.SAFE_ENERGY_LO, 'TeV')`.
    functions
        The functions that it may call.
    names
        The sources and columns that it may name; a name in capitals is an HDU of the file.
    """

    def __init__(self, text: str, functions: Mapping[str, Callable[..., Any]], names: set[str]) -> None:
        self.text = text.strip()
        self._functions = functions
        try:
            self._tree = ast.parse(self.text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            raise ExpressionError(f"{self.text!r} is not an expression") from None
        self._check(self._tree, names)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The value for one file; `values` holds sources, HDUs and the columns computed so far.

        Raises
        ------
        Missing
            If something that the expression names is not in the file.
        ExpressionError
            If the values have the wrong kind.
        """
        try:
            return self._value(self._tree, values)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError) as error:
            if isinstance(error, ExpressionError):
                raise
            raise ExpressionError(f"{self.text}: {error}") from None

    def _check(self, node: ast.expr, names: set[str]) -> None:
        match node:
            case ast.Constant(value=str() | int() | float() | None):
                return
            case ast.Name(id=name):
                if name not in names and not name.isupper():
                    raise ExpressionError(f"{name!r} is no source or column{_guess(name, names)}")
            case ast.Attribute(value=ast.Name(id=name)) if name in names or name.isupper():
                return
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str())):
                if name not in names and not name.isupper():
                    raise ExpressionError(f"{name!r} is no source{_guess(name, names)}")
            case ast.Call(func=ast.Name(id=name), keywords=[]):
                if name not in self._functions:
                    raise ExpressionError(f"there is no function {name!r}{_guess(name, self._functions)}")
                for argument in node.args:
                    self._check(argument, names)
            case ast.BinOp() if type(node.op) in _BINARY:
                self._check(node.left, names)
                self._check(node.right, names)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                self._check(node.operand, names)
            case ast.Compare(ops=[single]) if type(single) in _COMPARE:
                self._check(node.left, names)
                self._check(node.comparators[0], names)
            case ast.IfExp():
                for part in (node.test, node.body, node.orelse):
                    self._check(part, names)
            case ast.Attribute(value=ast.Name(id=name)):
                raise ExpressionError(f"{name!r} is no source{_guess(name, names)}")
            case _:
                raise ExpressionError(f"{ast.unparse(node)!r} is not possible in a profile")

    def _value(self, node: ast.expr, values: Mapping[str, Any]) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return _named(node.id, values)
            case ast.Attribute(value=ast.Name(id=name)):
                return _named(name, values)[node.attr]
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)):
                return _named(name, values)[key]
            case ast.Call(func=ast.Name(id=name)):
                return self._call(name, node.args, values)
            case ast.BinOp():
                left, right = self._value(node.left, values), self._value(node.right, values)
                return None if left is None or right is None else _BINARY[type(node.op)](left, right)
            case ast.UnaryOp():
                value = self._value(node.operand, values)
                return -value if value is not None and isinstance(node.op, ast.USub) else value
            case ast.Compare():
                left, right = self._value(node.left, values), self._value(node.comparators[0], values)
                return _COMPARE[type(node.ops[0])](left, right)
            case ast.IfExp():
                return self._value(node.body if self._value(node.test, values) else node.orelse, values)
        raise AssertionError(ast.dump(node))  # _check let something through

    def _call(self, name: str, arguments: list[ast.expr], values: Mapping[str, Any]) -> Any:
        if name == "first":  # the only function that looks past what is missing
            for argument in arguments:
                try:
                    value = self._value(argument, values)
                except Missing:
                    continue
                if value is not None and value != "":
                    return value
            return None
        return self._functions[name](*(self._value(argument, values) for argument in arguments))


def _named(name: str, values: Mapping[str, Any]) -> Any:
    try:
        return values[name]
    except KeyError:
        raise Missing(f"there is no HDU {name}") from None


def _guess(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(sorted(known))}"
