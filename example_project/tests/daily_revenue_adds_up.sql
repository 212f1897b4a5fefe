-- No order is lost or counted twice between the orders and the daily figures.
select
    daily.revenue,
    orders.revenue as expected
from (select sum(revenue) as revenue from {{ ref('daily_revenue') }}) as daily
cross join (select sum(amount) as revenue from {{ ref('fct_orders') }}) as orders
where daily.revenue <> orders.revenue
