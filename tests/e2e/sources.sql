create schema raw;

create table raw.customers (id integer, name text);
insert into raw.customers values (1, 'Ada'), (2, 'Grace'), (3, 'Edsger');

create table raw.orders (id integer, customer_id integer, amount numeric, ordered_at timestamptz);
insert into raw.orders values
    (1, 1, 10, '2026-01-01 10:00:00+00'),
    (2, 1, 20, '2026-01-02 10:00:00+00'),
    (3, 2, 30, '2026-01-03 10:00:00+00');
