select
    customer_id,
    min(ordered_at) as first_ordered_at,
    max(ordered_at) as last_ordered_at,
    count(*) as orders,
    sum(amount) as lifetime_value
from {{ ref('fct_orders') }}
group by customer_id
