select
    id as payment_id,
    order_id,
    method_code,
    {{ cents_to_euros('amount_cents') }} as amount,
    paid_at
from {{ source('raw', 'payments') }}
