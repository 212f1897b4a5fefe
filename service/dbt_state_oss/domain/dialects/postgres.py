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
    row_functions=function_names("""
        generate_series generate_subscripts json_array_elements json_array_elements_text json_each json_each_text
        json_object_keys json_populate_record json_populate_recordset json_table json_to_record json_to_recordset
        jsonb_array_elements jsonb_array_elements_text jsonb_each jsonb_each_text jsonb_object_keys jsonb_path_query
        jsonb_populate_record jsonb_populate_recordset jsonb_to_record jsonb_to_recordset regexp_matches
        regexp_split_to_table string_to_table unnest xmltable
        """),
    reading_function_prefixes=(
        "connectby",
        "crosstab",
        "cursor_to_xml",
        "database_to_xml",
        "dblink",
        "pg_ls_",
        "pg_read_",
        "pg_stat_file",
        "query_to_xml",
        "schema_to_xml",
        "table_to_xml",
        "ts_rewrite",
        "ts_stat",
        "xpath_table",
    ),
    relations_are_types=True,
    views_name_all_schemas=True,
    # `age` with one argument counts from midnight of today.
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
        currtid2 get_current_ts_config mxid_age row_security_active
        txid_current txid_current_if_assigned txid_current_snapshot txid_status
        amvalidate col_description format_type obj_description shobj_description
        brin_desummarize_range brin_summarize_new_values brin_summarize_range gin_clean_pending_list
        lo_close lo_creat lo_create lo_export lo_from_bytea lo_get lo_import lo_lseek lo_lseek64 lo_open lo_put lo_tell
        lo_tell64 lo_truncate lo_truncate64 lo_unlink loread lowrite ts_rewrite ts_stat
        """),
    # They name database objects. The object's number changes with each build.
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
    # They depend on their arguments alone.
    stable_functions=function_names("""
        pg_basetype pg_char_to_encoding pg_collation_for pg_encoding_to_char pg_input_error_info pg_input_is_valid
        pg_size_bytes pg_size_pretty pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin pg_typeof pg_visible_in_snapshot
        """),
    # A table that is made by a query cannot have its own columns of these names.
    storage_functions=function_names("""
        pg_column_compression pg_column_size pg_indexes_size pg_relation_filenode pg_relation_filepath pg_relation_size
        pg_table_size pg_total_relation_size
        """),
    system_columns=frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"}),
    session_functions=function_names("""
        current_catalog current_database current_role current_schema current_schemas current_setting current_user session_user
        system_user user inet_client_addr inet_client_port inet_server_addr inet_server_port pg_backend_pid
        getpgusername has_any_column_privilege has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege
        has_function_privilege has_language_privilege has_largeobject_privilege has_parameter_privilege has_schema_privilege
        has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege has_type_privilege pg_has_role
        row_security_active get_current_ts_config pg_collation_is_visible pg_conversion_is_visible pg_function_is_visible
        pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible pg_statistics_obj_is_visible pg_table_is_visible
        pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible
        pg_my_temp_schema
        regclass regcollation regnamespace regoper regoperator regproc regprocedure regrole regtype
        to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype
        to_regtypemod
        """),
    bare_functions=function_names("""
        current_catalog current_date current_role current_schema current_time current_timestamp current_user localtime
        localtimestamp session_user system_user user
        """),
)
