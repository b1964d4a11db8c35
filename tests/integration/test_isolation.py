"""No credential reaches another organization's rows, in any table or partition, by any verb; and holes are found."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from storage.postgres import Pool, open_pool
from tests.integration.isolation import DECISIONS, Matrix, relations
from tests.integration.rows import Rows
from tests.integration.tenant_rows import add_row


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=4, name="test", statement_seconds=10) as opened:
        yield opened


@pytest_asyncio.fixture
async def matrix(pool: Pool) -> Matrix:
    rows = Rows(pool)
    return await Matrix.of(pool, own=await rows.add_organization(), other=await rows.add_organization())


async def test_every_table_is_decided_about(pool: Pool) -> None:
    tables = {relation.table for relation in await relations(pool)}
    assert tables == set(DECISIONS)
    await pool.execute("create table forgotten (organization_id uuid)")
    assert {relation.table for relation in await relations(pool)} - set(DECISIONS) == {"forgotten"}


async def test_nothing_but_what_was_decided_is_permitted(matrix: Matrix) -> None:
    outcomes = await matrix.outcomes()
    assert [str(outcome) for outcome in outcomes if not outcome.is_as_decided] == []
    assert len(outcomes) > 5_000
    assert sum(outcome.is_permitted for outcome in outcomes) > 200


@pytest.mark.parametrize(
    ("hole", "table", "found"),
    [
        ("alter policy own on calls using (true)", "calls", "select of other rows in calls: a key as viewer gets 1"),
        ("drop policy own on calls", "calls", "select of own rows in calls: a key as viewer gets 0"),
        ("alter table calls disable row level security", "calls", "select of other rows in calls: a member gets 1"),
        ("grant select on calls to anon", "calls", "select of own rows in calls: anon gets 0"),
        ("grant truncate on effects to authenticated", "effects", "truncate of own rows in effects: a member gets 1"),
        (
            "grant update on call_costs to authenticated; create policy hole on call_costs for update using (true)",
            "call_costs",
            "update of own rows in call_costs: a key as viewer gets 1",
        ),
        (
            """alter policy changed on assistants
               using (organization_id = any (array(select private.organization_ids())))""",
            "assistants",
            "update of own rows in assistants: a key as viewer gets 1",
        ),
        (
            "alter policy own on api_keys using (organization_id = any (array(select private.organization_ids())))",
            "api_keys",
            "select of own rows in api_keys: a key as supervisor gets 1",
        ),
        (
            "alter policy added on integrations with check (true)",
            "integrations",
            "insert of other rows in integrations: a user of nothing gets 1",
        ),
    ],
)
async def test_a_hole_is_found(pool: Pool, matrix: Matrix, hole: str, table: str, found: str) -> None:
    await pool.execute(hole)
    leaks = [str(outcome) for outcome in await matrix.outcomes([table]) if not outcome.is_as_decided]
    assert found in leaks


async def test_a_partition_that_was_opened_is_found(pool: Pool, matrix: Matrix) -> None:
    partition = next(each for each in await relations(pool, ["calls"]) if each.is_partition)
    await pool.execute(f"grant select on {partition.name} to authenticated")
    leaks = [outcome for outcome in await matrix.outcomes(["calls"]) if not outcome.is_as_decided]
    assert {outcome.relation for outcome in leaks} == {partition}


async def test_the_service_sees_every_organization(pool: Pool) -> None:
    rows = Rows(pool)
    organizations = [await rows.add_organization() for _ in range(2)]
    async with pool.acquire() as connection:
        for relation in await relations(pool):
            if relation.is_partition or not relation.owned:
                continue
            for organization_id in organizations:
                await add_row(connection, relation.name, organization_id)
            async with connection.transaction():
                await connection.execute("set local role service_role")
                seen = await connection.fetchval(f"select count(distinct organization_id) from {relation.name}")  # noqa: S608
            assert seen >= len(organizations), relation.name


async def test_secrets_and_hashes_are_shown_to_no_user(pool: Pool) -> None:
    kept = await pool.fetch(
        """select attrelid::regclass::text as table, attname as column,
                  has_column_privilege('authenticated', attrelid, attnum, 'select') as shown
           from pg_attribute join pg_class on pg_class.oid = attrelid
           where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and attnum > 0
             and (attname ~ 'sealed' or attname ~ '_hash$')"""
    )
    assert {(row["table"], row["column"]) for row in kept} == {
        ("api_keys", "secret_hash"),
        ("call_controls", "sealed"),
        ("idempotency_keys", "request_hash"),
        ("outbound_calls", "request_hash"),
        ("integrations", "previous_sealed_secret"),
        ("integrations", "sealed_secret"),
        ("invitations", "token_hash"),
        ("provider_keys", "sealed"),
        ("webhook_secrets", "sealed"),
    }
    # What a request was, its own credential may compare; it is no secret.
    assert {row["table"] for row in kept if row["shown"]} == {"idempotency_keys", "outbound_calls"}


async def test_no_row_can_refer_to_another_organizations(pool: Pool) -> None:
    """Foreign keys are checked past row level security: one without the organization tells what exists elsewhere."""
    crossing = await pool.fetch(
        """select conrelid::regclass::text as child, conname as key
           from pg_constraint
           join pg_attribute as theirs on theirs.attrelid = confrelid and theirs.attname = 'organization_id'
           join pg_attribute as ours on ours.attrelid = conrelid and ours.attname = 'organization_id'
           where contype = 'f' and connamespace = 'public'::regnamespace and not ours.attnum = any (conkey)"""
    )
    assert [dict(row) for row in crossing] == []


async def test_every_policy_is_computed_once_for_a_statement(pool: Pool) -> None:
    """A function of ours in a policy stands in a subquery of its own, which nothing of the row goes into."""
    policies = await pool.fetch(
        """select tablename, policyname, coalesce(qual, '') || ' ' || coalesce(with_check, '') as text
           from pg_policies where schemaname = 'public'"""
    )
    assert len(policies) > len(DECISIONS)
    for policy in policies:
        rest = policy["text"]
        for wrapped in (
            "ARRAY( SELECT private.",
            "( SELECT private.readable_organizations()",
            "( SELECT private.actor()",
            "( SELECT auth.uid()",
        ):
            rest = rest.replace(wrapped, "")
        assert "private." not in rest, (policy["tablename"], policy["policyname"])
        assert "auth." not in rest, (policy["tablename"], policy["policyname"])


async def test_no_function_is_open_to_everybody_and_definers_trust_no_search_path(pool: Pool) -> None:
    open_functions = await pool.fetch(
        """select oid::regprocedure::text as function from pg_proc
           where pronamespace = 'private'::regnamespace
             and (has_function_privilege('anon', oid, 'execute')
                  or (prosecdef and not coalesce(proconfig @> array['search_path=""'], false)))
             and prorettype <> 'trigger'::regtype"""
    )
    assert [row["function"] for row in open_functions] == []
