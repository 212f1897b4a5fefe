"""PostgreSQL, from its documentation's chapters on lexical structure, date and time types, and functions."""

from __future__ import annotations

from dbt_state_oss.domain.dialects.dialect import CaseRule, Dialect, EpochClock, function_names
from dbt_state_oss.domain.dialects.postgres_copying import POSTGRES_COPYING

POSTGRES = Dialect(
    name="postgres",
    sqlglot="postgres",
    unquoted_case=CaseRule.LOWER,
    quoted_case=CaseRule.PRESERVE,
    clock=EpochClock.EXACT,
    materialized_views_are_refreshed=False,
    default_schema="public",
    empty_looks_missing=True,
    reuses_stored_failures=False,
    word_case=CaseRule.LOWER,
    copying=POSTGRES_COPYING,
    # `age` with one argument counts from today's midnight.
    date_functions=frozenset({"current_date", "age"}),
    date_literals=frozenset({"today", "tomorrow", "yesterday"}),
    volatile_literals=frozenset({"now"}),
    volatile_functions=function_names("""
        clock_timestamp current_time current_timestamp localtime localtimestamp now statement_timestamp timeofday
        transaction_timestamp
        array_sample array_shuffle gen_random_bytes gen_random_uuid gen_salt normal_rand pgp_pub_encrypt pgp_pub_encrypt_bytea
        pgp_sym_encrypt pgp_sym_encrypt_bytea random random_normal setseed uuidv4 uuidv7 uuid_generate_v1
        uuid_generate_v1mc uuid_generate_v4
        currval lastval nextval setval
        current_catalog current_database current_query current_role current_schema current_schemas current_setting
        current_user session_user system_user user set_config
        inet_client_addr inet_client_port inet_server_addr inet_server_port version
        getpgusername has_any_column_privilege has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
        has_function_privilege has_language_privilege has_largeobject_privilege has_parameter_privilege has_schema_privilege
        has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege has_type_privilege
        currtid2 mxid_age row_security_active
        txid_current txid_current_if_assigned txid_current_snapshot txid_status
        amvalidate col_description format_type obj_description shobj_description
        brin_desummarize_range brin_summarize_new_values brin_summarize_range gin_clean_pending_list
        lo_close lo_creat lo_create lo_export lo_from_bytea lo_get lo_import lo_lseek lo_lseek64 lo_open lo_put lo_tell
        lo_tell64 lo_truncate lo_truncate64 lo_unlink loread lowrite ts_rewrite ts_stat
        """),
    # Objects of the database by their names; as numbers they are others after each build.
    volatile_types=function_names("""
        regclass regcollation regnamespace regoper regoperator regproc regprocedure regrole regtype
        """),
    volatile_prefixes=(
        "cursor_to_xml",
        "binary_upgrade_",
        "database_to_xml",
        "dblink",
        "pg_",
        "query_to_xml",
        "schema_to_xml",
        "table_to_xml",
        "to_reg",
    ),
    # Of their arguments alone.
    stable_functions=function_names("""
        pg_basetype pg_char_to_encoding pg_collation_for pg_encoding_to_char pg_input_error_info pg_input_is_valid
        pg_size_bytes pg_size_pretty pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin pg_typeof pg_visible_in_snapshot
        """),
    # A table made by a query can have no column of its own by these names.
    system_columns=frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"}),
    session_functions=function_names("""
        current_catalog current_database current_role current_schema current_schemas current_setting current_user session_user
        system_user user inet_client_addr inet_client_port inet_server_addr inet_server_port pg_backend_pid
        getpgusername has_any_column_privilege has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
        has_function_privilege has_language_privilege has_largeobject_privilege has_parameter_privilege has_schema_privilege
        has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege has_type_privilege pg_has_role
        row_security_active
        """),
    bare_functions=function_names("""
        current_catalog current_date current_role current_schema current_time current_timestamp current_user localtime
        localtimestamp session_user system_user user
        """),
)
