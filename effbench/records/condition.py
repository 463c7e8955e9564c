"""Conditions on the rows of a table, such as `psnr > 25 and method == "hsm"`.

The language is a small part of Python's expressions: names of columns, numbers, strings, lists of
these, comparisons, `in`, `and`, `or`, `not`, and + − * / of numbers. Nothing is called, no
attribute is read (`param.width` is the name of a column), and nothing is handed to `eval`.
"""

from __future__ import annotations

import ast
import json
import operator
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from effbench.errors import ConfigError, unknown

_COMPARED: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, known: value in known,
    ast.NotIn: lambda value, known: value not in known,
}
_COMPUTED: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_WRITE = "write comparisons of columns, such as 'psnr > 25 and method == \"hsm\"'"
Row = Mapping[str, Any]
Term = Callable[[Row], Any]


def where(frame: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return the rows for which a condition holds. A comparison with a figure that a row does not
    have is false. Raises ConfigError for anything but a condition on these columns."""
    holds = parse(text, [str(name) for name in frame.columns])
    rows: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]
    return frame[[bool(holds(row)) for row in rows]]


def parse(text: str, columns: list[str]) -> Term:
    """Return a function of a row that says whether the condition holds."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        holds = _Parser(text, columns).condition(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", "") or "it is too deep"
        raise ConfigError(f"condition '{text}' cannot be read ({reason}): {_WRITE}") from error
    return holds


class _Parser:
    def __init__(self, text: str, columns: list[str]) -> None:
        self._text, self._columns = text, columns

    def condition(self, node: ast.expr) -> Term:
        match node:
            case ast.BoolOp(op=op, values=values):
                parts = [self.condition(value) for value in values]
                joined = all if isinstance(op, ast.And) else any
                return lambda row: joined(part(row) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.condition(operand)
                return lambda row: not inner(row)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                terms = [self._value(each) for each in (left, *rights)]
                return self._compared([self._comparison(op, node) for op in ops], terms)
        raise self._refuse(node, "is no condition")

    def _comparison(self, op: ast.cmpop, node: ast.expr) -> Callable[[Any, Any], bool]:
        if type(op) not in _COMPARED:
            raise self._refuse(node, "compares by a sign that is not known here")
        return _COMPARED[type(op)]

    def _compared(self, signs: list[Callable[[Any, Any], bool]], terms: list[Term]) -> Term:
        def holds(row: Row) -> bool:
            values = [term(row) for term in terms]
            if any(_missing(value) for value in values):
                return False
            try:
                pairs = zip(signs, values, values[1:], strict=False)
                return all(sign(left, right) for sign, left, right in pairs)
            except TypeError as error:
                raise ConfigError(
                    f"condition '{self._text}' compares text with a number: put text in quotes, "
                    "and numbers not"
                ) from error

        return holds

    def _value(self, node: ast.expr) -> Term:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() as value):
                return lambda _: value
            case ast.Name(id=name):
                return self._column(name, node)
            case ast.Attribute(value=ast.Name(id="param"), attr=name):
                return self._column(f"param.{name}", node)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                terms = [self._value(element) for element in elements]
                return lambda row: [term(row) for term in terms]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self._value(operand)
                return lambda row: self._computed(operator.sub, 0, inner(row))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _COMPUTED:
                a, b, sign = self._value(left), self._value(right), _COMPUTED[type(op)]
                return lambda row: self._computed(sign, a(row), b(row))
        raise self._refuse(node, "is not part of a condition")

    def _column(self, name: str, node: ast.expr) -> Term:
        if name not in self._columns:
            raise unknown("column", name, self._columns)
        return lambda row: _parameter(row[name]) if name.startswith("param.") else row[name]

    def _computed(self, sign: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        if _missing(a) or _missing(b):
            return None
        if isinstance(a, str | list) or isinstance(b, str | list):
            raise ConfigError(f"condition '{self._text}' computes with text: use numbers")
        try:
            return sign(a, b)
        except ZeroDivisionError:
            return None

    def _refuse(self, node: ast.expr, why: str) -> ConfigError:
        part = ast.get_source_segment(self._text.strip(), node) or self._text
        return ConfigError(f"condition '{self._text}': '{part}' {why}: {_WRITE}")


def _parameter(text: Any) -> Any:
    """Return a parameter's value: tables hold JSON without quotes."""
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return text
    return value if isinstance(value, int | float) else text


def _missing(value: Any) -> bool:
    return value is None or (not isinstance(value, str | list) and bool(pd.isna(value)))
