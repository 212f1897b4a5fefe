"""Databricks SQL, from its language manual: names, built-in functions."""

from __future__ import annotations

from dbt_state_oss.domain.dialects.copying import Copying
from dbt_state_oss.domain.dialects.dialect import CaseRule, Dialect, EpochClock, function_names

DATABRICKS = Dialect(
    name="databricks",
    sqlglot="databricks",
    unquoted_case=CaseRule.LOWER,
    quoted_case=CaseRule.LOWER,
    clock=EpochClock.EXACT,
    default_schema=None,
    identifier_quotes="`",
    carries_comments_over=True,
    ascii_case_only=False,
    word_case=CaseRule.LOWER,
    shows_written_case=True,
    # A name after a dot may be a key of a MAP or of a VARIANT.
    case_counts_after_dots=True,
    nvl_is_coalesce=True,
    names_columns_by_text=True,
    # A name that is not a column is looked up as a function, quoted or not.
    quoted_functions=True,
    # A clone does not take over privileges, tags or the description of the table.
    copying=Copying(
        ("CREATE OR REPLACE TABLE {target} SHALLOW CLONE {source}",),
        left_behind=frozenset({"grants", "databricks_tags", "__persisted_docs_hash"}),
    ),
    row_functions=function_names("""
        explode explode_outer inline inline_outer json_tuple posexplode posexplode_outer range stack variant_explode
        variant_explode_outer
        """),
    times_mean_today=True,
    date_functions=frozenset({"curdate", "current_date"}),
    date_literals=frozenset({"today", "tomorrow", "yesterday"}),
    volatile_literals=frozenset({"now"}),
    # `unix_timestamp` without arguments is the current moment. `uniform` and `randstr` may be called without a seed.
    volatile_functions=function_names("""
        current_time current_timestamp getdate localtimestamp now unix_timestamp
        monotonically_increasing_id rand randn random randstr shuffle spark_partition_id uniform uuid
        current_catalog current_database current_metastore current_oauth_custom_identity_claim current_recipient
        current_schema current_timezone current_user current_version is_account_group_member is_member session_user
        user version
        aes_encrypt secret try_secret
        input_file_block_length input_file_block_start input_file_name
        http_request java_method read_files read_kafka read_kinesis read_pubsub read_pulsar reflect remote_query
        try_reflect
        ai_analyze_sentiment ai_classify ai_extract ai_fix_grammar ai_forecast ai_gen ai_generate_text ai_mask
        ai_parse_document ai_query ai_similarity ai_summarize ai_translate vector_search
        """),
    session_functions=function_names("""
        current_catalog current_database current_metastore current_oauth_custom_identity_claim current_recipient
        current_schema current_timezone current_user is_account_group_member is_member session_user user
        """),
    bare_functions=function_names(
        "current_date current_time current_timestamp current_user localtimestamp session_user user"
    ),
    # It describes the files of a table: their paths, and when they were written.
    storage_functions=function_names("""
        input_file_block_length input_file_block_start input_file_name monotonically_increasing_id spark_partition_id
        """),
    system_columns=frozenset({"_metadata"}),
)
