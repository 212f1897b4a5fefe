"""Our lists of PostgreSQL's words and functions, held against what the server itself says."""

from __future__ import annotations

from tests.e2e.postgres import PostgresServer

from dbt_state_oss.domain.dialects.postgres import POSTGRES
from dbt_state_oss.domain.sql.grammar_words import GRAMMAR_WORDS

CALLABLE = """
    select distinct proname from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace and provolatile in ('s', 'v')
        and proname !~ '(recv|send|_validator|_typanalyze)$' and proname not like '\\_%'
        and not exists (
            select from unnest(prorettype || proargtypes::oid[]) with ordinality as used (type, place)
            join pg_type on pg_type.oid = type
            where typname in ('internal', 'cstring') or (place = 1 and (typname like '%handler' or typname like '%trigger'))
        )
"""
"""What SQL can call: no triggers, no handlers and no functions that only the server itself calls."""

OF_SETTINGS = frozenset(
    """
    array_to_json array_to_string concat concat_ws convert convert_from convert_to date date_add date_cmp_timestamptz
    date_eq_timestamptz date_ge_timestamptz date_gt_timestamptz date_le_timestamptz date_lt_timestamptz date_ne_timestamptz
    date_part date_subtract date_trunc extract format generate_series getdatabaseencoding in_range interval_pl_timestamptz
    json_agg json_agg_strict json_build_array json_build_object json_object_agg json_object_agg_strict
    json_object_agg_unique json_object_agg_unique_strict json_populate_record json_populate_recordset json_to_record
    json_to_recordset jsonb_agg jsonb_agg_strict jsonb_build_array jsonb_build_object jsonb_path_exists_tz
    jsonb_path_match_tz jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record
    jsonb_populate_record_valid jsonb_populate_recordset jsonb_to_record jsonb_to_recordset length make_timestamptz money
    numeric overlaps quote_literal quote_nullable row_to_json time timestamp timestamp_cmp_timestamptz
    timestamp_eq_timestamptz timestamp_ge_timestamptz timestamp_gt_timestamptz timestamp_le_timestamptz
    timestamp_lt_timestamptz timestamp_ne_timestamptz timestamptz timestamptz_cmp_date timestamptz_cmp_timestamp
    timestamptz_eq_date timestamptz_eq_timestamp timestamptz_ge_date timestamptz_ge_timestamp timestamptz_gt_date
    timestamptz_gt_timestamp timestamptz_le_date timestamptz_le_timestamp timestamptz_lt_date timestamptz_lt_timestamp
    timestamptz_mi_interval timestamptz_ne_date timestamptz_ne_timestamp timestamptz_pl_interval timetz timezone to_char
    to_date to_json to_jsonb to_number to_timestamp xml xml_is_well_formed
    """.split()
)
"""They follow from their arguments and from settings of the session and the database (time zone, styles, encoding), which
dbt's profile gives."""
OF_DEFINITIONS = frozenset(
    """
    enum_first enum_last enum_range json_to_tsvector jsonb_to_tsvector oidvectortypes phraseto_tsquery
    plainto_tsquery to_tsquery to_tsvector ts_debug ts_headline ts_match_tq ts_match_tt ts_parse ts_token_type
    websearch_to_tsquery aclexplode textanycat anytextcat
    """.split()
)
"""They follow from their arguments and from definitions (types, text search) that no request reports, as the functions of
users do."""


def test_every_function_that_is_not_immutable_is_known(postgres: PostgresServer) -> None:
    callable_functions = {name for (name,) in postgres.execute("postgres", CALLABLE)}
    unknown = {
        name
        for name in callable_functions
        if name
        not in POSTGRES.volatile_functions
        | POSTGRES.date_functions
        | POSTGRES.stable_functions
        | POSTGRES.volatile_types
        and not POSTGRES.has_volatile_prefix(name)
    }
    assert unknown - OF_SETTINGS - OF_DEFINITIONS == set()
    assert (OF_SETTINGS | OF_DEFINITIONS) - unknown == set()


def test_every_keyword_is_known_to_be_more_than_a_name(postgres: PostgresServer) -> None:
    keywords = {word for (word,) in postgres.execute("postgres", "select word from pg_get_keywords()")}
    assert keywords - GRAMMAR_WORDS == set()
