select
    customers.customer_id,
    customers.customer_name,
    countries.country,
    countries.region,
    coalesce(history.orders, 0) as orders,
    coalesce(history.lifetime_value, 0) as lifetime_value,
    case
        when history.lifetime_value >= 2500 then 'gold'
        when history.lifetime_value >= 1500 then 'silver'
        else 'bronze'
    end as tier
from {{ ref('stg_customers') }} as customers
inner join {{ ref('countries') }} as countries on customers.country_code = countries.country_code
left join {{ ref('int_customer_orders') }} as history on customers.customer_id = history.customer_id
