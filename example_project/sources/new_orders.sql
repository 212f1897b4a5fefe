-- Two hundred orders that came in since the last build; none of them is paid yet.
insert into raw.orders
select
    last.id + n,
    1 + n * 7919 % 2000,
    'shipped',
    500 + n * 9973 % 20000,
    localtimestamp,
    localtimestamp
from generate_series(1, 200) as n
cross join (select max(id) as id from raw.orders) as last;
