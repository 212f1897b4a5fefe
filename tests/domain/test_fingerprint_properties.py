"""What holds for every query of a small grammar: names of relations never matter, a changed word always does."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.domain.coding import code, made

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.sql.fingerprint import Fingerprint, FingerprintKind, raw_digest, seed_fingerprint
from dbt_state_oss.domain.sql.fingerprinting import fingerprint
from dbt_state_oss.domain.submission import Code, SeedValues

WAREHOUSES = ["postgres", "redshift", "snowflake", "bigquery", "databricks"]

NAMES = st.sampled_from(["a", "b", "amount", "c1"])
LITERALS = st.sampled_from(["1", "2.5", "'x'", "'Y y'", "null", "true"])


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "=", "<>", "and", "or", "||"]), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("coalesce({}, 0)".format),
        inner.map("cast({} as varchar(7))".format),
        inner.map("case when {} then 1 else 0 end".format),
        inner.map("sum({}) over (partition by c1 order by a)".format),
        inner.map("(not {})".format),
        inner.map("({} is null)".format),
    )


EXPRESSIONS = st.recursive(st.one_of(NAMES.map("x.{}".format), NAMES, LITERALS), _combined, max_leaves=5)
QUERIES = st.builds(
    "select {1}{0} as r, x.k from {{env}}.t1 as x {2} {{env}}.t2 as y on {3}{4}".format,
    EXPRESSIONS,
    st.sampled_from(["", "distinct "]),
    st.sampled_from(["join", "left join"]),
    EXPRESSIONS,
    st.sampled_from(["", " where x.a > 5", " order by 1 desc limit 10", " union all select 1, z.k from {env}.t1 as z"]),
)
WORDS = re.compile(r"'[^']*'|\w+|<>|[^\s\w]")
KEPT = {"env", "t1", "t2", "prod", ".", "as", "cast"}


@pytest.mark.parametrize("dialect", WAREHOUSES)
@settings(max_examples=40, deadline=None)
@given(query=QUERIES)
def test_schemas_of_other_names_give_equal_digests(dialect: str, query: str) -> None:
    prod, dev = (made(query.format(env=env), dialect, target=f"{env}.t2") for env in ("prod", "dev_of_me"))

    assert prod.kind is FingerprintKind.PARSED
    assert prod.digest == dev.digest


@pytest.mark.parametrize("dialect", WAREHOUSES)
@settings(max_examples=60, deadline=None)
@given(query=QUERIES, data=st.data())
def test_a_changed_literal_or_name_always_changes_the_digest(dialect: str, query: str, data: st.DataObject) -> None:
    text = query.format(env="prod")
    places = [place for place in WORDS.finditer(text) if place[0].lower() not in KEPT and place[0][0].isalnum()]
    place = data.draw(st.sampled_from(places + [word for word in WORDS.finditer(text) if word[0].startswith("'")]))
    changed = f"'{place[0][1:-1]}z'" if place[0].startswith("'") else place[0] + data.draw(st.sampled_from("19z"))

    other = made(text[: place.start()] + changed + text[place.end() :], dialect)

    assert other.digest != made(text, dialect).digest


@pytest.mark.parametrize("dialect", WAREHOUSES)
@settings(max_examples=40, deadline=None)
@given(query=QUERIES, data=st.data())
def test_two_words_that_change_places_change_the_digest(dialect: str, query: str, data: st.DataObject) -> None:
    words = WORDS.findall(query.format(env="prod").replace("prod.t1", "t1").replace("prod.t2", "t2"))
    first, second = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
    moved = list(words)
    moved[first], moved[second] = moved[second], moved[first]
    if moved == words or {"t1", "t2"} & {words[first], words[second]}:
        return

    assert made(" ".join(moved), dialect).digest != made(" ".join(words), dialect).digest


@settings(max_examples=25, deadline=None)
@given(query=QUERIES, seed=st.integers())
def test_shuffled_views_never_matter(query: str, seed: int) -> None:
    views = {"prod.t1": "select * from raw.t1", "prod.t2": "select * from prod.t3", "prod.t3": "select 1 as k"}
    asked = code(query.format(env="prod"), views=views)
    shuffled = replace(asked, views=tuple(random.Random(seed).sample(asked.views, len(asked.views))))

    assert fingerprint(shuffled) == fingerprint(asked)
    assert raw_digest(shuffled) == raw_digest(asked)


@settings(max_examples=25, deadline=None)
@given(query=QUERIES, space=st.sampled_from(["  ", "\n", " /* why */ ", " -- why\n"]))
def test_space_and_comments_between_words_never_matter(query: str, space: str) -> None:
    words = query.format(env="prod").split(" ")
    spaced = "".join(
        word + (space if "'" not in "".join(words[: place + 1]).replace("''", "") else " ")
        for place, word in enumerate(words)
    )

    assert made(spaced).digest == made(query.format(env="prod")).digest


PRINT_DIGESTS = """
from tests.domain.coding import made
views = {"s.v": "create view s.v (a) as select * from (select a from raw.t) as x", "s.w": "select a from s.v"}
for dialect in ("postgres", "redshift", "snowflake", "bigquery", "databricks"):
    found = made("select x.*, coalesce(a, 1)::int from s.w as x join s.u using (a) qualify true", dialect, views=views)
    print(found.digest, found.views_digest, found.slots, found.star_relations)
"""


@pytest.mark.process
def test_another_process_with_another_hash_seed_gives_the_same() -> None:
    def run(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run(
            [sys.executable, "-c", PRINT_DIGESTS], env=environment, check=True, capture_output=True, text=True
        ).stdout

    outputs = {run(seed) for seed in ("0", "1", "4711")}

    assert len(outputs) == 1
    assert outputs.pop().count("\n") == 5


def test_raw_digests_tell_every_part_apart() -> None:
    asked = code("select 1", views={"s.v": "select 2"}, target="s.me")
    (view,) = asked.views
    variants: list[Code | SeedValues] = [
        asked,
        replace(asked, sql="select 1 "),
        replace(asked, default_catalog="other"),
        replace(asked, default_schema="other"),
        replace(asked, default_catalog="dbpublic", default_schema=""),
        replace(asked, target=None),
        replace(asked, views=()),
        replace(asked, views=(replace(view, text="select 3"),)),
        replace(asked, views=(replace(view, default_schema="other"),)),
        replace(asked, dialect=dialect_named("snowflake")),
        replace(asked, dialect=dialect_named("redshift")),
        replace(asked, dialect=dialect_named("redshift, normalization_strategy = lowercase")),
        SeedValues(asked.dialect, "select 1"),
    ]

    assert len({raw_digest(variant) for variant in variants}) == len(variants)


def test_a_seed_is_its_values() -> None:
    postgres = dialect_named("postgres")
    seeds = [SeedValues(postgres, "abc"), SeedValues(postgres, "abd"), SeedValues(dialect_named("snowflake"), "abc")]
    found: list[Fingerprint] = [seed_fingerprint(seed) for seed in seeds]

    assert len({each.digest for each in found}) == len(seeds)
    assert {each.kind for each in found} == {FingerprintKind.VALUES}
