"""Ways to break the canonical form of SQL: the hunt must notice each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.domain import coding

from dbt_state_oss.domain.dialects import dialect_named
from dbt_state_oss.domain.sql import canonical
from dbt_state_oss.domain.sql.wording import Wording


def as_never_counts(patch: pytest.MonkeyPatch) -> None:
    """An AS is left out before every word."""
    patch.setattr(Wording, "_as_is_optional", lambda wording, index: index + 1 < len(wording.tokens))


def quotes_never_count(patch: pytest.MonkeyPatch) -> None:
    """A quoted word is the same word without quotes."""
    patch.setattr(Wording, "_quoted_word", lambda wording, index, written: f"word {written[1:-1]}")


def types_have_the_parsers_names(patch: pytest.MonkeyPatch) -> None:
    """Whatever the parser takes for text is one type."""
    _with(patch, names_of_varchar=frozenset({"text", "clob", "str", "string", "longvarchar"}))


def nvl_is_built_in(patch: pytest.MonkeyPatch) -> None:
    """`nvl` is `coalesce`, though PostgreSQL has no function of this name."""
    _with(patch, nvl_is_coalesce=True)


def words_never_count(patch: pytest.MonkeyPatch) -> None:
    """The parser's tree alone is compared."""
    patch.setattr(Wording, "words", lambda wording, spans: iter(()))


def odd_spaces_are_blanks(patch: pytest.MonkeyPatch) -> None:
    """A space beyond ASCII parts words, as the parser takes it, though to PostgreSQL it is a letter."""
    patch.setattr(canonical, "has_odd_space", lambda sql, tokens: False)


def prefixes_bind_first(patch: pytest.MonkeyPatch) -> None:
    """`cast(+a as t)` is `+a::t`."""
    patch.setattr(Wording, "_is_prefix", lambda wording, index: False)


BROKEN: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    way.__name__.replace("_", "-"): way
    for way in (
        as_never_counts,
        quotes_never_count,
        types_have_the_parsers_names,
        nvl_is_built_in,
        words_never_count,
        odd_spaces_are_blanks,
        prefixes_bind_first,
    )
}


def _with(patch: pytest.MonkeyPatch, **traits: object) -> None:
    """PostgreSQL with other traits, for the queries of the hunt."""
    patch.setattr(coding, "dialect_named", lambda name: replace(dialect_named(name), **traits))  # type: ignore[arg-type]
