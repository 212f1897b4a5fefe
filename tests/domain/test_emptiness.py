"""Which queries provably return no rows (rule L14)."""

from __future__ import annotations

import pytest
from tests.domain.coding import made

EVERYWHERE = ("postgres", "redshift", "snowflake", "bigquery", "databricks")

EMPTY: dict[str, str] = {
    "where false": "select cast(null as int) as a from s.t where false",
    "where 1 = 0": "select a from s.t where 1 = 0",
    "where 1 = 2, in parentheses": "select a from s.t where (1 = 2)",
    "where 1 <> 1": "select a from s.t where 1 <> 1",
    "where 1 > 2": "select a from s.t where 1 > 2",
    "where texts differ": "select a from s.t where 'a' = 'b'",
    "where null": "select a from s.t where null",
    "where a literal is cast": "select a from s.t where cast(false as boolean)",
    "where a text is cast": "select a from s.t where cast('false' as boolean)",
    "where not true": "select a from s.t where not true",
    "where false and more": "select a from s.t where b > 1 and false and c > 1",
    "where false or false": "select a from s.t where false or 1 = 0",
    "where a column is not itself": "select a from s.t where a <> a",
    "where nothing exists": "select a from s.t where exists (select 1 from s.u where false)",
    "where a column is null by =": "select a from s.t where id = null",
    "where a column differs from null": "select a from s.t where null <> id and b > 1",
    "where a column is like null": "select a from s.t where name like null",
    "where a column is in nulls": "select a from s.t where id in (null)",
    "where a column is in no rows": "select a from s.t where id in (select a from s.u where false)",
    "where numbers are calculated": "select a from s.t where 1 + 1 = 3",
    "limit 1 - 1": "select a from s.t limit 1 - 1",
    "limit 0": "select a from s.t limit 0",
    "limit 0, ordered": "select a from s.t where a > 1 order by a limit 0",
    "limit 0 over rows that are grouped": "select a, count(*) as n from s.t group by a limit 0",
    "an aggregate that is limited": "select count(*) as n from s.t limit 0",
    "groups of nothing": "select a, count(*) as n from s.t where false group by a",
    "having false": "select count(*) as n from s.t having false",
    "a window over nothing": "select row_number() over (order by a) as n from s.t where false",
    "without a table": "select 1 as a where false",
    "a common table": "with c as (select 1 as foo) select cast(null as int) as a from c where 1 = 0",
    "an empty common table": "with c as (select a from s.t where false) select a from c where a > 1",
    "two common tables": "with c as (select a from s.t limit 0), d as (select * from c) select a from d order by a",
    "a subquery": "select * from (select cast('x' as varchar(7)) as a) as empty_table where 1 = 0",
    "an empty subquery": "select * from (select a from s.t where false limit 0) as x",
    "an inner join": "select 1 as a from s.t as x join (select a from s.u where false) as y on x.a = y.a",
    "a left join": "select 1 as a from (select a from s.u where false) as y left join s.t as x on x.a = y.a",
    "a right join": "select 1 as a from s.t as x right join (select a from s.u where false) as y on x.a = y.a",
    "a comma": "select 1 as a from s.t as x, (select a from s.u where false) as y",
    "a join that never matches": "select 1 as a from s.t as x join s.u as y on false",
    "all branches of a union": "select a from s.t where false union all select a from s.u limit 0",
    "each branch of a union": "select a from s.t where false union all (select a from s.u limit 0)",
    "one branch of an intersection": "(select a from s.t where false) intersect distinct select a from s.u",
    "the first branch of a difference": "(select a from s.t where false) except distinct select a from s.u",
    "an aggregate within an item": "select (select count(*) from s.u) as n from s.t where false",
    "parentheses": "(select a from s.t where false)",
    "a recursion from nothing": (
        "with recursive c as (select a from s.t where false union all select a + 1 from c) select a from c"
    ),
}
OF_ONE_DIALECT: dict[tuple[str, str], str] = {
    ("postgres", "fetch"): "select a from s.t fetch first 0 rows only",
    ("postgres", "a sign"): "select a from s.t where false::boolean",
    ("redshift", "top"): "select top 0 a from s.t",
    ("snowflake", "qualify"): "select a from s.t qualify false",
    ("databricks", "where not parsed"): "select a from s.t frobnicate 1 2 where 1 = 0 -- none",
    ("postgres", "limit not parsed"): "select a from s.t frobnicate 1 2 where false limit 0;",
}
NOT_EMPTY: dict[str, str] = {
    "where a column is null": "select a from s.t where id is null",
    "where a column is in more than nulls": "select a from s.t where id in (1, null)",
    "where a column is not in rows": "select a from s.t where id not in (select a from s.u where false)",
    "where a column is in rows": "select a from s.t where id in (select a from s.u)",
    "limit 2 - 1": "select a from s.t limit 2 - 1",
    "a count of what is null": "select count(*) as n from s.t where id = null",
    "an aggregate of somebody's own": "select my_agg(a) as n from s.t where false",
    "an aggregate in the order": "select 1 as n from s.t where false order by count(*)",
    "no condition": "select a from s.t",
    "where true": "select a from s.t where true",
    "where 1 = 1": "select a from s.t where 1 = 1",
    "where false or more": "select a from s.t where false or a > 1",
    "where a column is itself": "select a from s.t where a = a",
    "where a column compares": "select a from s.t where a = 0",
    "where a column is false": "select a from s.t where a = false",
    "limit 1": "select a from s.t limit 1",
    "limit null": "select a from s.t limit 10 offset 0",
    "a count of nothing": "select count(*) as n from s.t where false",
    "a sum of an empty subquery": "select sum(a) as n from (select a from s.t limit 0) as x",
    "one full branch": "select a from s.t where false union all select a from s.u",
    "a left join of nothing": "select 1 as a from s.t as x left join (select a from s.u where false) as y on x.a = y.a",
    "a left join that never matches": "select 1 as a from s.t as x left join s.u as y on false",
    "a full join of nothing": (
        "select 1 as a from s.t as x full join (select a from s.u where false) as y on x.a = y.a"
    ),
    "an empty common table that is not read": "with c as (select a from s.t where false) select a from s.u",
    "a relation of the name of an empty common table": "with c as (select a from s.t where false) select a from s.c",
    "an empty condition": "select a from s.t where not exists (select 1 from s.u where false)",
    "an empty item": "select (select a from s.u where false) as a from s.t",
    "a difference from nothing": "select a from s.t except distinct (select a from s.u where false)",
    "a condition of a common table that is overridden": (
        "with c as (select a from s.t where false) select a from (with c as (select a from s.u) select a from c) as x"
    ),
    "totals of nothing": "select a, count(*) as n from s.t where false group by grouping sets ((a), ())",
}


@pytest.mark.parametrize("dialect", EVERYWHERE)
@pytest.mark.parametrize("sql", EMPTY.values(), ids=EMPTY)
def test_a_query_that_provably_returns_no_rows_is_known(sql: str, dialect: str) -> None:
    assert made(sql, dialect).returns_no_rows


@pytest.mark.parametrize(("dialect", "sql"), [(key[0], sql) for key, sql in OF_ONE_DIALECT.items()])
def test_so_is_one_in_the_words_of_a_warehouse(dialect: str, sql: str) -> None:
    assert made(sql, dialect).returns_no_rows


@pytest.mark.parametrize("dialect", EVERYWHERE)
@pytest.mark.parametrize("sql", NOT_EMPTY.values(), ids=NOT_EMPTY)
def test_a_query_that_may_return_rows_is_not_taken_for_empty(sql: str, dialect: str) -> None:
    assert not made(sql, dialect).returns_no_rows
