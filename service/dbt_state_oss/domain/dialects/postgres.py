"""PostgreSQL, from its documentation's chapters on lexical structure, date and time types, and functions."""

from __future__ import annotations

from dbt_state_oss.domain.dialects.copying import Copying
from dbt_state_oss.domain.dialects.dialect import CaseRule, Dialect, EpochClock, function_names

# One text is one transaction, even where the connection commits by itself. INCLUDING ALL keeps indexes, defaults, constraints and
# the comments of columns, but not that of the table. A table that views stand on is not replaced: dbt would still take them for
# there when it comes to build them. The client then builds the node.
_REPLACE = "DROP TABLE IF EXISTS {target} RESTRICT;\nCREATE TABLE {target} (LIKE {source} INCLUDING ALL);\n"

_INSERT = "INSERT INTO {target} SELECT * FROM {source}"

# One statement reads one state of the source: what is held to its epoch is what is copied. The epoch is the client's own
# (dbt-state 2.62), which has none for rows of the transaction itself, as a hook may have left them. What is cast to a number
# where the source differs is a sentence, so that the error tells what is wrong.
_VERIFIED = """WITH source AS (SELECT max(CAST(EXTRACT(EPOCH FROM pg_xact_commit_timestamp(xmin)) * 1000 AS bigint)) AS epoch,
  bool_or(xmin = CAST(pg_current_xact_id() AS xid)) AS unfinished FROM {{source}}),
copied AS (INSERT INTO {{target}} SELECT * FROM {{source}})
SELECT CAST(CASE {load_is_wrong}WHEN epoch = {{epoch}} AND NOT unfinished THEN '1'
  ELSE 'the table to clone is no longer what was recorded' END AS integer) FROM source"""

# The transaction that made a table wrote its columns' rows of the catalog. TRUNCATE, VACUUM and ANALYZE do not write these.
_LOAD_IS_WRONG = """WHEN 1 <> (SELECT count(*) FROM (SELECT CAST(xmin AS text) FROM {source}
    UNION SELECT CAST(xmin AS text) FROM pg_attribute WHERE attrelid = CAST({source_text} AS regclass) AND attnum > 0) AS made)
  THEN 'the table to clone may have the columns of an earlier load'
  """

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
    copying=Copying(
        (_REPLACE + _INSERT,),
        verified=(_REPLACE + _VERIFIED.format(load_is_wrong=""),),
        verified_load=(_REPLACE + _VERIFIED.format(load_is_wrong=_LOAD_IS_WRONG),),
        across_databases=False,
        left_behind=frozenset({"grants", "unlogged", "__persisted_docs_hash"}),
    ),
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
