select
    date_trunc('month', payments.paid_at) as paid_in,
    methods.method,
    sum(payments.amount) as amount,
    round(sum(payments.amount * methods.fee_permille) / 1000, 2) as fee
from {{ ref('fct_payments') }} as payments
inner join {{ ref('payment_methods') }} as methods on payments.method_code = methods.method_code
group by date_trunc('month', payments.paid_at), methods.method
