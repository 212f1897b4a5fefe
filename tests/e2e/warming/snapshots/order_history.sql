{% snapshot order_history %}
    {{ config(unique_key="id", strategy="check", check_cols=["amount"], target_schema="x") }}
    select id, amount from {{ source("raw", "orders") }}
{% endsnapshot %}
