"""Amazon Redshift, from its documentation's chapters on names, date functions and leader-node functions."""

from __future__ import annotations

from dbt_state_oss.domain.dialects.copying import Copying
from dbt_state_oss.domain.dialects.dialect import CaseRule, Dialect, EpochClock, function_names

REDSHIFT = Dialect(
    name="redshift",
    sqlglot="redshift",
    unquoted_case=CaseRule.LOWER,
    # Not if enable_case_sensitive_identifier is on. The client then sends its setting with the dialect.
    quoted_case=CaseRule.LOWER,
    clock=EpochClock.STAMPED,
    materialized_views_are_refreshed=False,
    default_schema="public",
    word_case=CaseRule.LOWER,
    # A name after a dot may be an attribute of SUPER. Its case counts if enable_case_sensitive_super_attribute is on.
    case_counts_after_dots=True,
    nvl_is_coalesce=True,
    # LIKE keeps distribution, sort keys and encodings. If it can, the client copies by SHOW TABLE, which keeps keys too.
    copying=Copying(
        (
            "DROP TABLE IF EXISTS {target} RESTRICT",
            "CREATE TABLE {target} (LIKE {source} INCLUDING DEFAULTS)",
            "INSERT INTO {target} SELECT * FROM {source}",
        ),
        left_behind=frozenset({"grants", "__persisted_docs_hash"}),
    ),
    row_functions=function_names("generate_series unnest"),
    views_name_all_schemas=True,
    date_functions=frozenset({"age", "current_date"}),
    date_literals=frozenset({"today", "tomorrow", "yesterday"}),
    volatile_literals=frozenset({"now"}),
    # A table may have its own column `oid`. If it is mistaken for the system column, that only costs a build.
    system_columns=frozenset({"cmax", "cmin", "ctid", "deletexid", "insertxid", "oid", "tableoid", "xmax", "xmin"}),
    storage_functions=frozenset({"slice_num"}),
    volatile_prefixes=("pg_",),
    stable_functions=function_names("pg_typeof pg_size_pretty pg_char_to_encoding pg_encoding_to_char"),
    volatile_types=function_names("regclass regoper regoperator regproc regprocedure regtype"),
    volatile_functions=function_names("""
        clock_timestamp current_time current_timestamp getdate localtime localtimestamp now statement_timestamp sysdate
        timeofday transaction_timestamp
        random gen_random_uuid uuid_generate_v4
        current_aws_account current_catalog current_database current_namespace current_role current_schema
        current_schemas current_session_arn current_setting current_user current_user_id default_iam_role get_mounted_role
        last_user_query_id session_user set_config user user_is_member_of role_is_member_of slice_num version
        has_assumerole_privilege has_database_privilege has_schema_privilege has_table_privilege
        pg_backend_pid pg_get_session_roles pg_last_copy_count pg_last_copy_id pg_last_query_id pg_last_unload_count
        pg_last_unload_id txid_current
        """),
    session_functions=function_names("""
        current_aws_account current_catalog current_database current_namespace current_role current_schema current_schemas
        current_session_arn current_setting current_user current_user_id default_iam_role session_user user user_is_member_of
        role_is_member_of has_assumerole_privilege has_database_privilege has_schema_privilege has_table_privilege
        pg_backend_pid pg_get_session_roles pg_function_is_visible pg_opclass_is_visible pg_operator_is_visible
        pg_table_is_visible pg_type_is_visible pg_my_temp_schema
        regclass regoper regoperator regproc regprocedure regtype
        """),
    bare_functions=function_names("""
        current_aws_account current_catalog current_date current_namespace current_role current_schema
        current_session_arn current_time current_timestamp current_user current_user_id default_iam_role localtime
        localtimestamp session_user sysdate user
        """),
)
