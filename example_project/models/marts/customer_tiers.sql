select
    region,
    tier,
    count(*) as customers,
    sum(lifetime_value) as lifetime_value
from {{ ref('dim_customers') }}
group by region, tier
