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
        inet_client_addr inet_client_port inet_server_addr inet_server_port pg_backend_pid pg_conf_load_time
        pg_current_logfile pg_my_temp_schema pg_postmaster_start_time pg_trigger_depth version
        has_any_column_privilege has_column_privilege has_database_privilege has_function_privilege
        has_schema_privilege has_sequence_privilege has_table_privilege pg_has_role row_security_active
        pg_current_snapshot pg_current_wal_insert_lsn pg_current_wal_lsn pg_current_xact_id
        pg_current_xact_id_if_assigned pg_snapshot_xmax pg_snapshot_xmin pg_visible_in_snapshot pg_xact_commit_timestamp
        pg_xact_status pg_last_committed_xact txid_current txid_current_if_assigned txid_current_snapshot txid_status
        pg_column_size pg_database_size pg_indexes_size pg_relation_size pg_size_bytes pg_table_size
        pg_tablespace_size pg_total_relation_size
        col_description obj_description shobj_description to_regclass to_regproc to_regtype
        lo_get pg_ls_dir pg_read_binary_file pg_read_file pg_sleep pg_sleep_for pg_sleep_until pg_stat_file
        ts_rewrite ts_stat
        """),
    volatile_prefixes=(
        "cursor_to_xml",
        "database_to_xml",
        "dblink",
        "pg_get_",
        "pg_stat_get_",
        "query_to_xml",
        "schema_to_xml",
        "table_to_xml",
    ),
    # A table made by a query can have no column of its own by these names.
    system_columns=frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"}),
    session_functions=function_names("""
        current_catalog current_database current_role current_schema current_schemas current_setting current_user session_user
        system_user user inet_client_addr inet_client_port inet_server_addr inet_server_port pg_backend_pid
        has_any_column_privilege has_column_privilege has_database_privilege has_function_privilege has_schema_privilege
        has_sequence_privilege has_table_privilege pg_has_role row_security_active
        """),
    bare_functions=function_names("""
        current_catalog current_date current_role current_schema current_time current_timestamp current_user localtime
        localtimestamp session_user system_user user
        """),
)
