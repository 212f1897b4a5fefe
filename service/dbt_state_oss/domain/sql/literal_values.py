"""Computes the values of SQL expressions that consist of literals, if all warehouses agree on the value."""

from __future__ import annotations

from sqlglot import exp

Constant = bool | int | float | str | None
"""A value in Python. None is NULL."""

_FALSE_WORDS = frozenset({"0", "f", "false", "n", "no", "off"})
_TRUE_WORDS = frozenset({"1", "t", "true", "y", "yes", "on"})


class UnknownValue(Exception):
    """The text alone does not determine the value of an expression."""


def literal_value(node: exp.Expr) -> Constant:
    """The value of an expression of literals. Raises `UnknownValue` for any other expression."""
    match node:
        case exp.Paren():
            return literal_value(node.this)
        case exp.Boolean():
            return bool(node.this)
        case exp.Null():
            return None
        case exp.Literal():
            return str(node.this) if node.is_string else _number(str(node.this))
        case exp.Neg():
            value = literal_value(node.this)
            return -value if isinstance(value, (int, float)) else _unknown()
        case exp.Add() | exp.Sub() | exp.Mul():
            return _calculated(node, literal_value(node.left), literal_value(node.right))
        case exp.Cast():
            return _cast(literal_value(node.this), node.to)
        case exp.Not():
            value = literal_value(node.this)
            return not value if isinstance(value, bool) else None if value is None else _unknown()
        case exp.Is():
            one, other = literal_value(node.this), literal_value(node.expression)
            return one is other if other is None or isinstance(other, bool) else _unknown()
        case exp.EQ() | exp.NEQ() | exp.LT() | exp.LTE() | exp.GT() | exp.GTE():
            return _compared(node, literal_value(node.left), literal_value(node.right))
    return _unknown()


def _unknown() -> Constant:
    raise UnknownValue


def _number(text: str) -> Constant:
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise UnknownValue from None


def _calculated(node: exp.Binary, one: Constant, other: Constant) -> Constant:
    if not (type(one) is int and type(other) is int):
        raise UnknownValue
    match node:
        case exp.Add():
            return one + other
        case exp.Sub():
            return one - other
    return one * other


def _cast(value: Constant, to: exp.DataType) -> Constant:
    if value is None:
        return None
    if to.is_type(exp.DataType.Type.BOOLEAN):
        if isinstance(value, str):
            word = value.strip().lower()
            return False if word in _FALSE_WORDS else True if word in _TRUE_WORDS else _unknown()
        return bool(value)
    if to.is_type(*exp.DataType.INTEGER_TYPES) and isinstance(value, int):
        return int(value)
    return _unknown()


def _compared(node: exp.Expr, one: Constant, other: Constant) -> Constant:
    if one is None or other is None:
        return None
    if isinstance(one, str) is not isinstance(other, str):
        raise UnknownValue
    if isinstance(one, str) and not isinstance(node, (exp.EQ, exp.NEQ)):
        raise UnknownValue  # the order of texts depends on the collation
    match node:
        case exp.EQ():
            return one == other
        case exp.NEQ():
            return one != other
    assert not isinstance(one, str)
    assert not isinstance(other, str)
    match node:
        case exp.LT():
            return one < other
        case exp.LTE():
            return one <= other
        case exp.GT():
            return one > other
    return one >= other
