"""How PostgreSQL copies a table, from its documentation's chapters on system catalogs, CREATE TABLE and DO."""

from __future__ import annotations

from dbt_state_oss.domain.dialects.copying import Copying

# One text is one transaction, even if the connection commits automatically. INCLUDING ALL keeps indexes, defaults, constraints
# and the comments of columns, but not the comment of the table.
#
# A table with dependent views is not dropped, since dbt would still expect the views to exist when it builds them. If the table
# has exactly the columns, indexes and constraints of the new one, and nothing else, it is emptied instead and the views stay. A
# materialized view would keep the old rows, so it counts as a difference. If anything differs, RESTRICT fails and the client
# builds the node.
_REPLACE = """DO {tag}
DECLARE
  old oid := to_regclass({target_text});
  new oid := CAST({source_text} AS regclass);
BEGIN
  IF (WITH RECURSIVE standing (oid) AS (SELECT old UNION SELECT r.ev_class FROM standing AS s
        JOIN pg_depend AS d ON d.refobjid = s.oid AND d.refclassid = CAST('pg_class' AS regclass)
          AND d.classid = CAST('pg_rewrite' AS regclass)
        JOIN pg_rewrite AS r ON r.oid = d.objid)
      SELECT count(*) > 1 AND NOT bool_or(c.relkind = 'm') FROM standing JOIN pg_class AS c USING (oid))
    AND EXISTS (SELECT FROM pg_class AS o JOIN pg_class AS n ON n.oid = new
      WHERE o.oid = old AND o.relkind = 'r' AND n.relkind = 'r' AND o.relpersistence = 'p' AND n.relpersistence = 'p'
        AND o.relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
        AND o.reloptions IS NULL AND o.reltablespace = 0 AND o.relam = n.relam
        AND NOT (o.relhastriggers OR o.relhasrules OR o.relhassubclass OR o.relrowsecurity OR o.relispartition))
    AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = old)
    AND (SELECT count(*) = 2 AND count(DISTINCT columns) = 1 FROM (
        SELECT array_agg(CAST(ROW(a.attname, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.attidentity,
          a.attgenerated, a.attstorage, pg_get_expr(d.adbin, d.adrelid)) AS text) ORDER BY a.attnum) AS columns
        FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid IN (old, new) AND a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid) AS shapes)
    AND NOT EXISTS (SELECT said FROM (
        SELECT indrelid AS owner, CAST(ROW(indisunique, indisprimary,
          substring(pg_get_indexdef(indexrelid) FROM ' USING .*')) AS text) AS said
        FROM pg_index WHERE indrelid IN (old, new)
        UNION ALL SELECT conrelid, CAST(ROW(contype, condeferrable, condeferred, convalidated, pg_get_constraintdef(oid)) AS text)
        FROM pg_constraint WHERE conrelid IN (old, new)) AS either
      GROUP BY said HAVING count(*) FILTER (WHERE owner = old) <> count(*) FILTER (WHERE owner = new))
  THEN
    TRUNCATE TABLE {target};
  ELSE
    DROP TABLE IF EXISTS {target} RESTRICT;
    CREATE TABLE {target} (LIKE {source} INCLUDING ALL);
  END IF;
END
{tag};
"""

_INSERT = "INSERT INTO {target} SELECT * FROM {source}"

# One statement reads one state of the source, so the rows whose epoch is checked are the rows that are copied. The epoch is
# computed as the client does it (dbt-state 2.62). It is null for rows of the current transaction, which a hook may have written.
# If the source differs, a sentence is cast to a number, so that the error message says what is wrong.
_VERIFIED = """WITH source AS (SELECT max(CAST(EXTRACT(EPOCH FROM pg_xact_commit_timestamp(xmin)) * 1000 AS bigint)) AS epoch,
  bool_or(xmin = CAST(pg_current_xact_id() AS xid)) AS unfinished FROM {{source}}),
copied AS (INSERT INTO {{target}} SELECT * FROM {{source}})
SELECT CAST(CASE {load_check}WHEN epoch = {{epoch}} AND NOT unfinished THEN '1'
  ELSE 'the table to clone is no longer what was recorded' END AS integer) FROM source"""

# The transaction that created a table also wrote the catalog rows of its columns. TRUNCATE, VACUUM and ANALYZE do not.
_LOAD_CHECK = """WHEN 1 <> (SELECT count(*) FROM (SELECT CAST(xmin AS text) FROM {source}
    UNION SELECT CAST(xmin AS text) FROM pg_attribute WHERE attrelid = CAST({source_text} AS regclass) AND attnum > 0) AS made)
  THEN 'the table to clone may have the columns of an earlier load'
  """

POSTGRES_COPYING = Copying(
    (_REPLACE + _INSERT,),
    verified=(_REPLACE + _VERIFIED.format(load_check=""),),
    verified_load=(_REPLACE + _VERIFIED.format(load_check=_LOAD_CHECK),),
    across_databases=False,
    left_behind=frozenset({"grants", "unlogged", "__persisted_docs_hash"}),
)
