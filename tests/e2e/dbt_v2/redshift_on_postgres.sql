-- What dbt v2 asks of Redshift's catalog, answered by PostgreSQL's. Times of modification come from commit timestamps.

create function pg_catalog.modified_at(relation oid) returns timestamp language plpgsql volatile as $$
declare moment timestamptz;
begin
    execute format('select max(pg_xact_commit_timestamp(xmin)) from %s', relation::regclass) into moment;
    return moment at time zone 'UTC';
exception when others then  -- dropped meanwhile, or rows from before commit timestamps were on
    return null;
end $$;

create view pg_catalog.stl_insert as
select class.oid as tbl, pg_catalog.modified_at(class.oid) as endtime
from pg_class class join pg_namespace namespace on namespace.oid = class.relnamespace
where class.relkind = 'r' and namespace.nspname <> 'information_schema' and namespace.nspname not like 'pg\_%';

create view pg_catalog.pg_class_info as
select class.oid as reloid, pg_xact_commit_timestamp(class.xmin) at time zone 'UTC' as relcreationtime from pg_class class;

create view pg_catalog.svv_external_tables as
select ''::varchar as redshift_database_name, ''::varchar as schemaname, ''::varchar as tablename where false;

create view pg_catalog.svv_external_columns as
select 0 as columnnum, ''::varchar as schemaname, ''::varchar as tablename, ''::varchar as columnname,
    ''::varchar as external_type
where false;

create view pg_catalog.svv_all_columns as
select table_catalog::varchar as database_name, table_schema::varchar as schema_name, table_name::varchar,
    column_name::varchar, data_type::varchar, is_nullable::varchar, ''::varchar as remarks, ordinal_position
from information_schema.columns;

create function pg_catalog.pg_get_late_binding_view_cols() returns setof record language sql as
$$ select null::name, null::name, null::name, null::varchar, null::int where false $$;

create function pg_catalog.getdate() returns timestamp language sql stable as $$ select localtimestamp $$;
