select
    order_id,
    customer_id,
    amount,
    ordered_at,
    updated_at
from {{ ref('stg_orders') }}
where status <> 'returned'
