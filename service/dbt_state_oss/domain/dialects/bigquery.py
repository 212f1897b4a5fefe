"""BigQuery, from its GoogleSQL reference: lexical structure, date and time functions, security functions."""

from __future__ import annotations

from dbt_state_oss.domain.dialects.copying import Copying
from dbt_state_oss.domain.dialects.dialect import CaseRule, Dialect, EpochClock, function_names

BIGQUERY = Dialect(
    name="bigquery",
    sqlglot="bigquery",
    unquoted_case=CaseRule.PRESERVE,
    quoted_case=CaseRule.PRESERVE,
    clock=EpochClock.EXACT,
    stamped_by_dbt_v2=True,
    materialized_views_are_refreshed=False,
    seeds_replace_tables=True,
    default_schema=None,
    identifier_quotes="`",
    dotted_quoted_names=True,
    backslash_escapes_names=True,
    word_case=CaseRule.LOWER,
    shows_written_case=True,
    case_counts_after_dots=True,
    # A clone takes over row policies, column policies and tags, but no access rights to the table.
    copying=Copying(
        ("CREATE OR REPLACE TABLE {target} CLONE {source}{options}",),
        # One millisecond after the epoch, since a table's time of modification is truncated, not rounded.
        past=(
            "CREATE OR REPLACE TABLE {target} CLONE {source} FOR SYSTEM_TIME AS OF TIMESTAMP_MILLIS({epoch} + 1){options}",
        ),
        left_behind=frozenset({"grants", "__persisted_docs_hash"}),
    ),
    # It returns a file's time and size.
    reading_function_prefixes=("fetch_metadata",),
    row_functions=frozenset({"unnest"}),
    date_functions=frozenset({"current_date"}),
    # `SELECT WITH DIFFERENTIAL_PRIVACY` adds noise; `ANONYMIZATION` is its older name.
    volatile_words=frozenset({"anonymization", "differential_privacy"}),
    volatile_functions=function_names("""
        current_datetime current_time current_timestamp
        generate_uuid rand
        encrypt new_keyset new_wrapped_keyset rotate_keyset rotate_wrapped_keyset
        session_user
        external_query
        fetch_metadata get_access_url get_read_url
        generate generate_bool generate_double generate_embedding generate_int generate_table generate_text
        ml_generate_text
        """),
    session_functions=function_names("session_user"),
    bare_functions=function_names("current_date current_datetime current_time current_timestamp"),
    volatile_schemas=frozenset({"ai"}),
    variable_sign="@@",
)
