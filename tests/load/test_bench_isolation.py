"""The measurement measures: row level security asks once for a statement, whatever its rows."""

import asyncpg

from tests.load.bench_isolation import QUERIES, figures, isolation_cost


async def test_what_isolation_costs_is_told_for_each_query(database_url: str) -> None:
    costs = await isolation_cost(database_url, rows=20_000, runs=3)
    assert [cost.query for cost in costs] == list(QUERIES)
    assert all(cost.asks_once for cost in costs)
    assert all(figure.value is not None for figure in figures(costs))


async def test_a_policy_that_asks_for_each_row_is_told_apart(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        """create function private.of_credential(of uuid) returns boolean language sql stable as $$
               select of in (select private.organization_ids())
           $$;
           alter policy own on calls using (private.of_credential(organization_id))"""
    )
    await connection.close()
    costs = await isolation_cost(database_url, rows=2_000, runs=1)
    assert not any(cost.asks_once for cost in costs)
