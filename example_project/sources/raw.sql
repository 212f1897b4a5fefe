-- What the shop's own systems write: the schema that the dbt project reads as its source `raw`.
-- The content is the same on each run, but for the dates, which count back from today so that the year's batches are filled.
begin;

drop schema if exists raw cascade;
create schema raw;

create table raw.customers (
    id integer primary key,
    first_name text not null,
    last_name text not null,
    country_code text not null,
    updated_at timestamp not null
);

create table raw.orders (
    id integer primary key,
    customer_id integer not null references raw.customers (id),
    status text not null,
    amount_cents integer not null,
    ordered_at timestamp not null,
    updated_at timestamp not null
);

create table raw.payments (
    id integer primary key,
    order_id integer not null references raw.orders (id),
    method_code text not null,
    amount_cents integer not null,
    paid_at timestamp not null
);

insert into raw.customers
select
    n,
    (array['Ada', 'Björn', 'Chloé', 'Dilan', 'Edith', 'Farid', 'Grace'])[1 + n % 7],
    (array['Adams', 'Berg', 'Costa', 'Demir', 'Eriksen'])[1 + n % 5],
    (array['DE', 'FR', 'IT', 'NL', 'SE', 'TR'])[1 + n % 6],
    current_date - 360 + interval '1 hour' * (n % 24)
from generate_series(1, 2000) as n;

insert into raw.orders
select
    n,
    1 + n * 7919 % 2000,
    (array['completed', 'completed', 'shipped', 'completed', 'completed', 'returned', 'completed'])[1 + n % 7],
    500 + n * 9973 % 20000,
    current_date - 360 + interval '1 minute' * (n * 10),
    current_date - 360 + interval '1 minute' * (n * 10 + 30)
from generate_series(1, 50000) as n;

insert into raw.payments
select
    id,
    id,
    (array['card', 'card', 'invoice', 'wallet'])[1 + id % 4],
    amount_cents,
    ordered_at + interval '5 minutes'
from raw.orders;

commit;
