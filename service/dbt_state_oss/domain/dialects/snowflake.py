"""Snowflake, from its SQL reference: identifiers, context functions, data generation, sequences."""

from __future__ import annotations

from dbt_state_oss.domain.dialects.copying import Copying
from dbt_state_oss.domain.dialects.dialect import CaseRule, Dialect, EpochClock, function_names

SNOWFLAKE = Dialect(
    name="snowflake",
    sqlglot="snowflake",
    unquoted_case=CaseRule.UPPER,
    quoted_case=CaseRule.PRESERVE,
    clock=EpochClock.STAMPED,
    materialized_views_are_refreshed=False,
    default_schema="public",
    ascii_case_only=False,
    word_case=CaseRule.UPPER,
    nvl_is_coalesce=True,
    names_of_varchar=frozenset({"string", "text"}),
    names_columns_by_text=True,
    # A transient table cannot have a permanent clone. A clone of a dynamic table would refresh itself and accept no new rows.
    copying=Copying(
        ("CREATE OR REPLACE {table_type} {target} CLONE {source} COPY GRANTS",),
        table_types=frozenset({"TABLE", "TRANSIENT TABLE", "ICEBERG TABLE"}),
    ),
    # They return a file's content, or its time and size.
    reading_function_prefixes=(
        "ai_parse_document",
        "ai_transcribe",
        "fl_get_",
        "fl_is_",
        "parse_document",
        "to_file",
        "try_to_file",
    ),
    row_functions=function_names("flatten generator split_to_table strtok_split_to_table"),
    date_functions=frozenset({"current_date"}),
    # `generator(timelimit => 5)` makes as many rows as it can within the time.
    volatile_words=frozenset({"timelimit"}),
    volatile_functions=function_names("""
        current_time current_timestamp getdate localtime localtimestamp sysdate systimestamp
        random randstr seq1 seq2 seq4 seq8 uuid_string
        currval getnextval nextval
        all_user_names current_account current_account_name current_available_roles current_client current_database
        current_ip_address current_organization_name current_organization_user current_region current_role
        current_role_type current_schema current_schemas current_secondary_roles current_session current_statement
        current_transaction current_user current_version current_warehouse getvariable invoker_role invoker_share
        is_application_role_in_session is_database_role_in_session is_granted_to_invoker_role
        is_instance_role_in_session is_organization_user is_role_in_session is_user_imported last_query_id
        last_transaction sys_context
        encrypt encrypt_raw
        build_scoped_file_url get_presigned_url get_stage_location result_scan
        get_ddl get_object_references get_query_operator_stats last_successful_scheduled_time
        ai_agg ai_classify ai_complete ai_embed ai_extract ai_filter ai_parse_document ai_redact ai_sentiment ai_similarity
        ai_summarize_agg ai_transcribe ai_translate
        classify_text complete entity_sentiment extract_answer parse_document sentiment summarize try_complete
        """),
    volatile_prefixes=("embed_image_", "embed_text_", "system$"),
    stable_functions=frozenset({"system$typeof"}),
    volatile_schemas=frozenset({"cortex"}),
    system_column_prefixes=("metadata$",),
    stage_sign="@",
    variable_sign="$",
    session_functions=function_names("""
        all_user_names current_account current_account_name current_available_roles current_client current_database
        current_ip_address current_organization_name current_organization_user current_region current_role
        current_role_type current_schema current_schemas current_secondary_roles current_session current_user
        current_warehouse getvariable invoker_role invoker_share is_application_role_in_session
        is_database_role_in_session is_granted_to_invoker_role is_instance_role_in_session is_organization_user
        is_role_in_session is_user_imported sys_context
        """),
    bare_functions=function_names("""
        current_account current_client current_database current_date current_ip_address current_region current_role
        current_schema current_schemas current_session current_statement current_time current_timestamp
        current_transaction current_user current_version current_warehouse currval localtime localtimestamp nextval
        """),
)
