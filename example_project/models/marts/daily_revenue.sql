-- Revenue by the day on which an order came in.
select
    cast(ordered_at as date) as ordered_on,
    count(*) as orders,
    sum(amount) as revenue
from {{ ref('fct_orders') }}
group by cast(ordered_at as date)
