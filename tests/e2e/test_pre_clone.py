"""Tables of production, copied into development before they are built upon there."""

from __future__ import annotations

import pytest
from tests.e2e.shop import DEVELOPMENT, Shop

ORDER_LOG = """
    {{ config(materialized="incremental", incremental_strategy="delete+insert", unique_key="id",
              indexes=[{"columns": ["id"], "unique": true}]) }}
    select id, customer_id, amount from {{ source("raw", "orders") }}
    {% if is_incremental() %}
    where id > (select max(id) from {{ this }})
    {% endif %}
"""
ORDER_HISTORY = """
    snapshots:
      - name: order_history
        relation: source('raw', 'orders')
        config: {unique_key: id, strategy: check, check_cols: [amount]}
"""
ONLY = ("build", "-s", "order_log", "order_history")


@pytest.fixture
def warm(shop: Shop) -> Shop:
    shop.write("models/order_log.sql", ORDER_LOG)
    shop.write("snapshots/order_history.yml", ORDER_HISTORY)
    for _ in range(2):
        shop.build(*ONLY[1:])
    return shop


def test_x(warm: Shop) -> None:
    b = warm.dbt(*ONLY, target=DEVELOPMENT)
    print(b.decisions, b.reasons)
    print(warm.server.log.read_text()[-3000:])
    print(warm.sql("select indexdef from pg_indexes where schemaname='dev'"))
    assert 0
