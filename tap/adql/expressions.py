"""Values and conditions: names bound, types checked, metadata carried along."""

from __future__ import annotations

import re
from collections.abc import Callable

from tap.adql import geometry, ir, library, specials, tree, udf
from tap.adql.build import Problem
from tap.adql.ir import Expr, Kind
from tap.adql.metadata import column_of, combined_unit, is_bare, kind_of, same_quantity
from tap.adql.outputs import without_companions
from tap.adql.scope import Scope

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6}\d*)?)?Z?)?$")
_INTEGER_TYPES = {"SMALLINT": "short", "INTEGER_TYPE": "int", "INTEGER": "int", "BIGINT": "long"}
_TRUE, _FALSE = ("t", "true", "1"), ("f", "false", "0")


class Expressions:
    """Resolves the expressions of one SELECT in its scope.

    Parameters
    ----------
    scope
        What names mean.
    subquery
        Resolves a sub-query of IN or EXISTS, with `scope` around it.
    """

    def __init__(self, scope: Scope, subquery: Callable[[tree.Query, Scope], ir.Query]) -> None:
        self.scope = scope
        self.subquery = subquery
        self.no_aggregates = ""
        """Why aggregates cannot stand here; empty where they can."""
        self.found_aggregate = False

    # Values

    def value(self, node: tree.Value) -> Expr:
        """The typed form of a value.

        Raises
        ------
        Problem
        """
        return getattr(self, "_" + type(node).__name__.lower())(node)

    def _number(self, node: tree.Number) -> Expr:
        integer = isinstance(node.value, int)
        kind = Kind.INTEGER if integer else Kind.REAL
        small = integer and abs(node.value) < 2**31
        meta = column_of(kind, datatype="int" if small else "long") if integer else column_of(kind)
        return ir.Const(kind, meta, node.value)

    def _string(self, node: tree.String) -> Expr:
        return ir.Const(Kind.TEXT, column_of(Kind.TEXT), node.value)

    def _null(self, node: tree.Null) -> Expr:
        return ir.Const(Kind.NULL, column_of(Kind.NULL), None)

    def _columnname(self, node: tree.ColumnName) -> Expr:
        return self.scope.find(node)

    def _signed(self, node: tree.Signed) -> Expr:
        value = library.need_number(self.value(node.operand), node.operand, node.sign)
        if node.sign == "+":
            return value
        if node.sign == "~" and value.kind is Kind.REAL:
            raise Problem(node.at, "~ takes an integer.")
        op = "neg" if node.sign == "-" else "bitnot"
        unit = value.meta.unit if op == "neg" else ""
        return ir.Call(
            value.kind, column_of(value.kind, value.meta.name, unit=unit, ucd=value.meta.ucd), op, (value,)
        )

    def _chain(self, node: tree.Chain) -> Expr:
        args = [self.value(operand) for operand in node.operands]
        if node.operators[0] == "||":
            for arg, operand in zip(args, node.operands):
                library.need_text(arg, operand, "||")
            return ir.Arithmetic(Kind.TEXT, column_of(Kind.TEXT), tuple(args), node.operators)
        for arg, operand, operator in zip(args, node.operands, (node.operators[0], *node.operators)):
            library.need_number(arg, operand, operator)
            if operator in "&|^" and arg.kind is Kind.REAL:
                hint = "It is the exclusive or of their bits; use POWER(x, y)." if operator == "^" else ""
                raise Problem(operand.at, f"{operator} takes integers.", hint)
        kind = Kind.INTEGER if all(arg.kind is Kind.INTEGER for arg in args) else Kind.REAL
        if node.operators[0] in "+-":
            meta = same_quantity(args, kind)
        elif node.operators[0] in "*/":
            meta = column_of(kind, unit=self._product_unit(args, node.operators))
        else:
            meta = column_of(kind)
        return ir.Arithmetic(kind, meta, tuple(args), node.operators)

    def _product_unit(self, args: list[Expr], operators: tuple[str, ...]) -> str:
        """A bare number in a product scales it to who knows what, unless it is 1: then no unit can be told."""
        if any(is_bare(arg) or not arg.meta.unit for arg in args):
            return ""
        unit = args[0].meta.unit
        for operator, arg in zip(operators, args[1:]):
            unit = combined_unit(unit, arg.meta.unit, operator) if unit else ""
        return unit

    def _cast(self, node: tree.Cast) -> Expr:
        value = self.value(node.operand)
        target, name = node.target, value.meta.name
        if value.kind is Kind.OTHER or (
            value.kind.is_geometry
            and target not in ("POINT", "CIRCLE", "POLYGON")
            and not (value.kind is Kind.MOC and target in ("CHAR", "VARCHAR"))
        ):
            raise Problem(node.operand.at, f"{value.kind.value} cannot be cast.".capitalize())
        if target in ("POINT", "CIRCLE", "POLYGON"):
            return geometry.cast(node, value)
        if target in ("CHAR", "VARCHAR"):
            size = str(node.length) + ("*" if target == "VARCHAR" else "") if node.length else "*"
            meta = column_of(Kind.TEXT, name, ucd=value.meta.ucd, arraysize=size)
            return ir.Call(Kind.TEXT, meta, "to_text", (value,), node.length)
        if target == "TIMESTAMP":
            return self._timestamp(value, node.operand)
        if value.kind is Kind.TIMESTAMP:
            raise Problem(node.at, "A timestamp cannot be cast to a number.", "ivo_to_mjd gives its MJD.")
        if target in _INTEGER_TYPES:
            datatype, kind = _INTEGER_TYPES[target], Kind.INTEGER
        else:
            datatype, kind = ("float" if target == "REAL" else "double"), Kind.REAL
        meta = column_of(kind, name, datatype=datatype, unit=value.meta.unit, ucd=value.meta.ucd)
        return ir.Call(kind, meta, "cast", (value,), datatype)

    def _timestamp(self, value: Expr, node: tree.Value) -> Expr:
        library.need(
            value,
            node,
            "A timestamp is made of a string",
            lambda k: k in (Kind.TEXT, Kind.TIMESTAMP, Kind.NULL),
        )
        if value.kind is Kind.TIMESTAMP:
            return value
        if (
            isinstance(value, ir.Const)
            and isinstance(value.value, str)
            and not _ISO.match(value.value.strip())
        ):
            hint = "Timestamps are written as 2020-01-31 or 2020-01-31T12:00:00.5 ."
            raise Problem(node.at, f"{value.value!r} is not a timestamp.", hint)
        return ir.Call(Kind.TIMESTAMP, column_of(Kind.TIMESTAMP, value.meta.name), "to_timestamp", (value,))

    def _case(self, node: tree.Case) -> Expr:
        branches = []
        for test, result in node.branches:
            if node.subject is not None:
                condition = self._compare("=", node.subject, test, test.at)  # type: ignore[arg-type]
            else:
                condition = self.condition(test)  # type: ignore[arg-type]
            branches.append((condition, self.value(result)))
        otherwise = self.value(node.otherwise) if node.otherwise is not None else None
        results = [result for _, result in branches] + ([otherwise] if otherwise else [])
        call = tree.Call(node.at, "COALESCE", ())
        try:
            meta = library.coalesce(call, results)
        except Problem as problem:
            raise Problem(
                node.at, problem.message.replace("arguments of COALESCE", "results of CASE")
            ) from None
        return ir.Case(meta.kind, meta.meta, tuple(branches), otherwise)

    # Functions

    def _call(self, node: tree.Call) -> Expr:
        name = node.name
        if name in geometry.FUNCTIONS:
            return geometry.call(self, node)
        if name == "ivo_string_agg":
            return self._string_agg(node)
        if name in specials.CALLS:
            return specials.CALLS[name](self, node)
        args = [self.value(argument) for argument in node.arguments]
        if name in library.MATHEMATICS:
            return library.mathematics(node, args)
        if name == "ABS":
            return library.absolute(node, args)
        if name in ("LOWER", "UPPER"):
            return library.case_folding(node, args)
        if name == "COALESCE":
            return library.coalesce(node, args)
        if name == "IN_UNIT":
            return library.in_unit(node, args)
        functions = udf.overloads(name)
        fitting = [function for function in functions if len(function.parameters) == len(args)] or functions
        result = library.user_defined(fitting[0], node, args)
        return geometry.finish_user_defined(self, node, result) or self._finish_times(node, result)

    def _finish_times(self, node: tree.Call, call: ir.Call) -> Expr:
        """ISO strings stand for timestamps in ivo_to_jd and ivo_to_mjd."""
        if call.op in ("to_jd", "to_mjd"):
            call.args = (self._timestamp(call.args[0], node.arguments[0]),)
        return call

    def aggregate_argument(self, at: int, name: str, argument: tree.Value) -> Expr:
        self._count_aggregate(at, name)
        before, self.no_aggregates = self.no_aggregates, f"{name} takes no other aggregate inside."
        value = self.value(argument)
        self.no_aggregates = before
        return value

    def _count_aggregate(self, at: int, name: str) -> None:
        if self.no_aggregates:
            raise Problem(at, f"{name} cannot stand here.", self.no_aggregates)
        self.found_aggregate = True

    def _string_agg(self, node: tree.Call) -> Expr:
        if len(node.arguments) != 2:
            raise Problem(
                node.at, "ivo_string_agg takes 2 arguments.", "Its form is ivo_string_agg(value, delimiter)."
            )
        value = self.aggregate_argument(node.at, node.name, node.arguments[0])
        delimiter = self.aggregate_argument(node.at, node.name, node.arguments[1])
        library.need_text(value, node.arguments[0], node.name)
        library.need_text(delimiter, node.arguments[1], node.name)
        if not isinstance(delimiter, ir.Const):
            raise Problem(node.arguments[1].at, "The delimiter is a string, written out.")
        return ir.Aggregate(
            Kind.TEXT, column_of(Kind.TEXT, node.name, ucd=value.meta.ucd), "STRING_AGG", (value, delimiter)
        )

    def _aggregate(self, node: tree.Aggregate) -> Expr:
        name = node.name
        if node.argument is None:
            self._count_aggregate(node.at, name)
            return ir.Aggregate(
                Kind.INTEGER, column_of(Kind.INTEGER, "count", ucd="meta.number"), "COUNT", ()
            )
        value = self.aggregate_argument(node.at, name, node.argument)
        if name == "COUNT":
            meta = column_of(Kind.INTEGER, "count", ucd="meta.number")
            return ir.Aggregate(Kind.INTEGER, meta, "COUNT", (value,), node.distinct)
        unit, ucd, lower = value.meta.unit, value.meta.ucd, name.lower()
        if name in ("SUM", "AVG"):
            library.need_number(value, node.argument, name)
            kind = value.kind if name == "SUM" and value.kind is Kind.INTEGER else Kind.REAL
            word = "stat.mean;" if name == "AVG" and ucd else ""
            meta = column_of(kind, lower, unit=unit, ucd=word + ucd)
            return ir.Aggregate(kind, meta, name, (value,), node.distinct)
        if value.kind.is_geometry or value.kind is Kind.OTHER:
            raise Problem(node.argument.at, f"{name} takes numbers, strings and timestamps.")
        fields = {"unit": unit, "ucd": f"stat.{lower};{ucd}" if ucd else "", "datatype": value.meta.datatype}
        fields |= {"coosys": value.meta.coosys, "timesys": value.meta.timesys}
        meta = column_of(value.kind, lower, **fields, null=value.meta.null)
        return ir.Aggregate(value.kind, meta, name, (value,), node.distinct)

    # Conditions

    def condition(self, node: tree.Condition) -> Expr:
        """The typed form of a condition.

        Raises
        ------
        Problem
        """
        return getattr(self, "_" + type(node).__name__.lower())(node)

    def _logic(self, node: tree.Logic) -> Expr:
        return ir.Logic(
            Kind.BOOLEAN, _BOOLEAN, node.operator, tuple(self.condition(x) for x in node.operands)
        )

    def _not(self, node: tree.Not) -> Expr:
        return ir.Logic(Kind.BOOLEAN, _BOOLEAN, "NOT", (self.condition(node.operand),))

    def _comparison(self, node: tree.Comparison) -> Expr:
        return geometry.comparison(self, node) or self._compare(node.operator, node.left, node.right, node.at)

    def _compare(self, operator: str, left: tree.Value, right: tree.Value, at: int) -> Expr:
        a, b = self.alike(self.value(left), self.value(right), left, right, operator)
        return ir.Compare(Kind.BOOLEAN, _BOOLEAN, operator, a, b)

    def alike(
        self, a: Expr, b: Expr, left: tree.Value, right: tree.Value, operator: str
    ) -> tuple[Expr, Expr]:
        """Both operands, made comparable (timestamps with ISO strings, booleans with 0 and 1, 'T' and 'F')."""
        for value, node in ((a, left), (b, right)):
            if value.kind.is_geometry or value.kind is Kind.OTHER:
                hint = "Use CONTAINS, INTERSECTS or DISTANCE." if value.kind.is_geometry else ""
                raise Problem(node.at, f"{operator} does not compare {value.kind.value}.", hint)
        if a.kind.is_number and b.kind.is_number or a.kind.is_text and b.kind.is_text:
            return a, b
        if Kind.TIMESTAMP in (a.kind, b.kind):
            plain, node = (b, right) if a.kind is Kind.TIMESTAMP else (a, left)
            if isinstance(plain, ir.Const) or plain.kind is Kind.TIMESTAMP:
                return self._timestamp(a, left), self._timestamp(b, right)
            raise Problem(
                node.at, "A timestamp is compared with timestamps.", "CAST(... AS TIMESTAMP) makes one."
            )
        if a.kind is b.kind is Kind.BOOLEAN or Kind.NULL in (a.kind, b.kind):
            return a, b
        if a.kind is Kind.BOOLEAN:
            return _as_number(a), _truth_value(b, right)
        if b.kind is Kind.BOOLEAN:
            return _truth_value(a, left), _as_number(b)
        text, node = (a, left) if a.kind is Kind.TEXT else (b, right)
        hint = (
            "Take the quotes off the number, or CAST the column."
            if isinstance(text, ir.Const)
            else "CAST one of them."
        )
        raise Problem(node.at, f"{operator} cannot compare {a.kind.value} with {b.kind.value}.", hint)

    def _between(self, node: tree.Between) -> Expr:
        value = self.value(node.value)
        a, low = self.alike(value, self.value(node.low), node.value, node.low, "BETWEEN")
        b, high = self.alike(value, self.value(node.high), node.value, node.high, "BETWEEN")
        if a.kind is not b.kind:
            raise Problem(node.at, "The bounds of BETWEEN must be of one type.")
        return ir.Test(Kind.BOOLEAN, _BOOLEAN, "BETWEEN", (a, low, high), node.negated)

    def _inlist(self, node: tree.InList) -> Expr:
        value = self.value(node.value)
        pairs = [self.alike(value, self.value(item), node.value, item, "IN") for item in node.items]
        return ir.Test(
            Kind.BOOLEAN, _BOOLEAN, "IN", (pairs[0][0], *(item for _, item in pairs)), node.negated
        )

    def _inquery(self, node: tree.InQuery) -> Expr:
        value = self.value(node.value)
        query = without_companions(self.subquery(node.query, self.scope))
        if len(query.outputs) != 1:
            raise Problem(node.query.at, f"The query after IN must have 1 column, not {len(query.outputs)}.")
        inner = ir.Const(kind_of(query.outputs[0]), query.outputs[0], None)
        if {value.kind, inner.kind} != {Kind.BOOLEAN}:
            a, b = self.alike(value, inner, node.value, tree.Null(node.query.at), "IN")
            if a is not value or b is not inner:
                raise Problem(node.query.at, f"IN cannot compare {value.kind.value} with {inner.kind.value}.")
        return ir.QueryTest(Kind.BOOLEAN, _BOOLEAN, value, query, node.negated)

    def _exists(self, node: tree.Exists) -> Expr:
        return ir.QueryTest(Kind.BOOLEAN, _BOOLEAN, None, self.subquery(node.query, self.scope))

    def _like(self, node: tree.Like) -> Expr:
        operator = "ILIKE" if node.ignore_case else "LIKE"
        value = library.need_text(self.value(node.value), node.value, operator)
        pattern = library.need_text(self.value(node.pattern), node.pattern, operator)
        return ir.Test(Kind.BOOLEAN, _BOOLEAN, operator, (value, pattern), node.negated)

    def _isnull(self, node: tree.IsNull) -> Expr:
        return ir.Test(Kind.BOOLEAN, _BOOLEAN, "ISNULL", (self.scope.find(node.column),), node.negated)


_BOOLEAN = column_of(Kind.BOOLEAN)
_INT = column_of(Kind.INTEGER, datatype="int")


def _as_number(value: Expr) -> Expr:
    return ir.Call(Kind.INTEGER, _INT, "cast", (value,), "int")


def _truth_value(value: Expr, node: tree.Value) -> Expr:
    if isinstance(value, ir.Const):
        text = str(value.value).lower()
        if text in _TRUE or text in _FALSE:
            return ir.Const(Kind.INTEGER, _INT, int(text in _TRUE))
    if value.kind is Kind.INTEGER:
        return value
    raise Problem(node.at, "A boolean is compared with 1 or 0, or with 'T' or 'F'.")
