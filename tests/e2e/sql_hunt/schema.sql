-- What the queries of the hunt read. Names are chosen to collide with words that the parser knows.

create schema s;
create type s.point as (x integer, y integer);
create domain clob as varchar(3);
create domain str as varchar(2);
create domain string as varchar(4);
create domain longvarchar as varchar(5);
create domain nvarchar as varchar(6);
create domain datetime as timestamp(0);
create domain number as numeric(10, 1);
create domain tinyint as smallint;
create domain "int" as bigint;
create domain "text" as varchar(1);
create domain "minute" as integer;
create function nvl(integer, integer) returns integer language sql immutable as 'select $1 * 1000 + coalesce($2, 7)';
create function nvl(text, text) returns text language sql immutable as 'select $1 || ''!'' || $2';
create function ifnull(integer, integer) returns integer language sql immutable as 'select -1';
create function "coalesce"(integer, integer) returns integer language sql immutable as 'select -2';
create function "greatest"(integer, integer) returns integer language sql immutable as 'select -3';
create function len(text) returns integer language sql immutable as 'select -4';
create function iff(boolean, integer, integer) returns integer language sql immutable as 'select -5';
create function "trim"(text) returns text language sql immutable as 'select ''trimmed''';
create function "current_date"() returns integer language sql immutable as 'select -6';
create function "Upper"(text) returns text language sql immutable as 'select ''upper''';
create schema my;
create function my.nvl(integer, integer) returns integer language sql immutable as 'select -7';

create table s.t (
    id integer, a integer, b integer, "A" integer, "minute" integer, hour integer, "user" text, "current_date" text, key text,
    name text, "Name" text, "größe" integer, "Größe" integer, amount numeric(10, 2), d date, ts timestamp, tz timestamptz, flag boolean,
    j jsonb, arr integer[], p s.point, "P" s.point, iv interval, bits bit varying(8), "as" integer, varying text, "order" integer
);
insert into s.t values
    (1, 10, null, 100, 5, 6, 'ann', 'then', 'k1', 'Ada', 'ADA', 1, 11, 12.50, '2024-02-29', '2024-02-29 10:11:12', '2024-02-29 10:11:12+02',
     true, '{"a": 1, "A": 2, "b": {"c": [1, 2]}}', '{1,2,3}', '(1,2)', '(3,4)', '1 day 03:04:05', b'1010', 3, 'v1', 9),
    (2, -20, 7, null, 15, 16, 'bob', 'now', 'k2', 'bob ', 'Bob', 2, 22, -3.25, '2023-12-31', '2023-12-31 23:59:59.5', '2023-12-31 23:59:59+00',
     false, '{"a": "x", "key": null}', '{}', '(5,6)', null, '-2 months 5 minutes', b'1', 4, 'v2', 8),
    (3, null, 8, 300, null, 0, null, null, 'k1', null, 'eve', null, 33, 0, null, null, null, null, null, null, null, '(7,8)', null, null, null, null, 7);
create table s.u (a integer, b integer, name text, id integer, t integer);
insert into s.u values (10, 1, 'Ada', 1, 5), (-20, 2, 'x', 2, 6), (10, 3, null, 4, 7);
