"""Random queries over `schema.sql`."""

from __future__ import annotations

from random import Random

_INTEGERS = ("id", "a", "b", '"A"', '"minute"', "hour", '"größe"', '"as"', "t.a", '"order"')
_TEXTS = ("name", '"Name"', "key", '"user"', "t.name", '"current_date"', "varying")
_OF_TWO = ("coalesce", "nvl", "ifnull", "greatest", '"coalesce"', "my.nvl", "nullif", "mod")
_NUMBERS = (
    "int",
    "integer",
    "int4",
    "bigint",
    "int8",
    "smallint",
    "numeric",
    "numeric(8, 1)",
    "decimal(6)",
    "dec",
    "real",
    "float",
    "float4",
    "float(3)",
    "double precision",
    "number",
    '"int"',
    "tinyint",
)
_STRINGS = (
    "text",
    "varchar",
    "varchar(2)",
    "character varying",
    "char(3)",
    "bpchar",
    "clob",
    "str",
    "string",
    "longvarchar",
    "nvarchar",
    "nchar varying",
    "national character varying",
    '"text"',
    '"char"',
    "name",
    "character(2)",
    "nchar(2)",
    "char",
)
_ALIASES = (
    "x",
    "n",
    "amount",
    "total",
    "hour",
    "minute",
    "second",
    "day",
    "year",
    "varying",
    "precision",
    "zone",
    "to",
    "name",
    "key",
    "value",
    "text",
    '"x"',
    '"N"',
    '"hour"',
    '"minute"',
    '"varying"',
    '"user"',
    "days",
    "d",
    "filter",
    "over",
    "within",
    "array",
    "isnull",
    "collate_",
    "at_",
    "date",
)
_SIGNS = ("- ", "-", "+", "+ ", "@", "@ ", "~", "- +")
_INTERVALS = ("'5'", "'1 day 03:04:05'", "'1-2'", "'1 2:03'", "'90'", "'1 month 2 days'")
_UNITS = (
    "",
    "",
    " hour",
    " minute",
    " second",
    " day",
    " year",
    " month",
    " day to hour",
    " year to month",
    ' "minute"',
    " days",
    " hours",
    " d",
)


def query(random: Random) -> str:
    """One statement."""
    body = _select(random)
    match random.randrange(8):
        case 0:
            return f"with c as ({body}) select * from c"
        case 1:
            return f"select * from ({body}) as sub"
        case 2:
            return f"{body} union all {body}"
    return body


def _select(random: Random) -> str:
    items = [_item(random) for _ in range(random.randint(1, 3))]
    text = f"select {', '.join(items)} from s.t{random.choice(('', '', ' t', ' as t'))}"
    if random.random() < 0.3:
        text += f" where {_condition(random)}"
    if random.random() < 0.3:
        text += f" order by {random.choice(('id', '1', 'id desc'))}"
    return text


def _item(random: Random) -> str:
    separator = random.choice((None, " ", " ", " as ", " as "))
    return _value(random, 2) + ("" if separator is None else separator + random.choice(_ALIASES))


def _value(random: Random, depth: int) -> str:
    return random.choice((_integer, _text, _moment, _interval, _cast))(random, depth)


def _integer(random: Random, depth: int) -> str:
    if depth == 0 or random.random() < 0.3:
        return random.choice((*_INTEGERS, str(random.randrange(20)), "(p).x", "arr[1]", "1_0", "0x1F"))
    one, other = _integer(random, depth - 1), _integer(random, depth - 1)
    return random.choice(
        (
            f"{one} {random.choice('+-*%#&|')} {other}",
            f"{random.choice(_OF_TWO)}({one}, {other})",
            f"case when {_condition(random)} then {one} else {other} end",
            f"{random.choice(_SIGNS)}{one}",
            f"({one})",
            f"{one}::int",
            f"cast({one} as integer)",
            f"extract({random.choice(('hour', 'minute', 'day'))} from ts)",
        )
    )


def _text(random: Random, depth: int) -> str:
    if depth == 0 or random.random() < 0.4:
        return random.choice((*_TEXTS, "'x'", "'It''s'", "e'a\\tb'", "$$q$$", "n'y'", "j ->> 'a'"))
    one = _text(random, depth - 1)
    name = random.choice(("upper", "lower", "trim", '"trim"', "len", "length", '"Upper"', "initcap", "reverse"))
    return random.choice(
        (f"{name}({one})", f"{one} || {_text(random, depth - 1)}", f'{one} collate "C"', f"nvl({one}, key)")
    )


def _moment(random: Random, depth: int) -> str:
    base = random.choice(("ts", "tz", "d", "date '2024-02-29'", "timestamp '2024-01-01 10:00'"))
    if depth == 0:
        return base
    zone = random.choice(("", "::timestamp at time zone 'utc'", "::timestamptz at time zone 'utc'::text"))
    return random.choice(
        (f"{base} + {_interval(random, 0)}", f"{base}::date", f"{base}{zone}", f"date_trunc('month', {base})")
    )


def _interval(random: Random, depth: int) -> str:
    return f"interval {random.choice(_INTERVALS)}{random.choice(_UNITS)}"


def _cast(random: Random, depth: int) -> str:
    make, kinds = random.choice(((_integer, _NUMBERS), (_integer, _STRINGS), (_text, _STRINGS)))
    value, kind = make(random, max(0, depth - 1)), random.choice(kinds)
    if make is _integer and random.random() < 0.3:
        value = f"{random.choice(_SIGNS)}{value}"
    return random.choice(
        (f"{value}::{kind}", f"cast({value} as {kind})", f"({value})::{kind}", f"{value}::{kind}::text")
    )


def _condition(random: Random) -> str:
    one, other = _integer(random, 1), _integer(random, 0)
    return random.choice(
        (
            f"{one} {random.choice(('<>', '!=', '=', '<', '>='))} {other}",
            f"not {one} = {other}",
            "flag",
            f"{one} is not null",
            f"{_text(random, 0)} like 'A%'",
            f"{one} between 1 and {other}",
        )
    )
