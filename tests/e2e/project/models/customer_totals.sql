select customers.id, customers.name, coalesce(totals.total, 0) as total
from {{ source("raw", "customers") }} as customers
left join {{ ref("order_totals") }} as totals on totals.customer_id = customers.id
