"""Settings shown and changed over REST: what is stored, what the owner is told, what is refused."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from storage.postgres import Pool
from tests.integration.api.conftest import Tenant
from tests.integration.api.test_api_access import add_key, assert_problem, bearer

Client = httpx.AsyncClient

EVERYTHING = {
    "name": "Nórth Clinic",
    "time_zone": "Europe/Berlin",
    "concurrency_limit": 3,
    "campaign_limits": {"spring": 2},
    "minutes_cap": 500,
    "minutes_policy": "block-outbound",
    "opening_hours": [{"day": "monday", "opens": "09:00", "closes": "24:00"}],
    "refusal_message": "All busy.",
    "refusal_destination": {"type": "number", "number": "+15550100009", "message": ""},
    "api_requests_per_second": 50,
    "tool_url": "https://tools.example/here",
    "transfer_destination": {"type": "sip", "sipUri": "sip:desk@example.com"},
    "handoff_destination": {"type": "assistant", "assistantName": "Second"},
}


async def told(pool: Pool, tenant: Tenant) -> list[str]:
    rows = await pool.fetch(
        "select provider || ' ' || type as told from webhook_inbox where organization_id = $1", tenant.organization_id
    )
    return [row["told"] for row in rows]


async def add_assistant(pool: Pool, tenant: Tenant, provider_id: str) -> None:
    await pool.execute(
        "insert into assistants (id, organization_id, provider_assistant_id, name) values ($1, $2, $3, 'Desk')",
        uuid4(),
        tenant.organization_id,
        provider_id,
    )


async def test_what_is_set_is_shown_stored_and_told(client: Client, pool: Pool, tenant: Tenant) -> None:
    await add_assistant(pool, tenant, "desk")
    path = f"{tenant.path}/settings"
    first = await client.get(path, headers=tenant.credential)
    assert first.json()["minutes_policy"] == "notify"
    changes = {**EVERYTHING, "assistant_limits": {"desk": 1}}
    changed = await client.patch(path, json=changes, headers=tenant.credential)
    assert changed.status_code == 200, changed.text
    assert changed.json() == changes
    assert changed.headers["etag"] != first.headers["etag"]
    again = await client.get(path, headers=tenant.credential)
    assert (again.json(), again.headers["etag"]) == (changes, changed.headers["etag"])
    assert await told(pool, tenant) == ["internal organization-configured"]
    logged = await pool.fetch("select action, target, result from audit_log")
    assert [row["action"] for row in logged] == ["organization-configured"]
    assert "minutes_cap" in logged[0]["target"]
    assert "tools.example" not in logged[0]["result"]


async def test_members_that_are_absent_stay_and_null_takes_away(client: Client, tenant: Tenant) -> None:
    path = f"{tenant.path}/settings"
    await client.patch(path, json=EVERYTHING, headers=tenant.credential)
    changes: dict[str, object] = {"concurrency_limit": None, "tool_url": None, "campaign_limits": {}}
    changed = await client.patch(path, json=changes, headers=tenant.credential)
    assert changed.json() == {**EVERYTHING, "assistant_limits": {}, **changes}


async def test_a_change_that_changes_nothing_tells_nobody(client: Client, pool: Pool, tenant: Tenant) -> None:
    path = f"{tenant.path}/settings"
    for _ in range(2):
        assert (await client.patch(path, json={"minutes_cap": 9}, headers=tenant.credential)).status_code == 200
    assert (await client.patch(path, json={}, headers=tenant.credential)).status_code == 200
    assert await told(pool, tenant) == ["internal organization-configured"]


async def test_of_two_who_read_the_same_one_changes_it(client: Client, pool: Pool, tenant: Tenant) -> None:
    path = f"{tenant.path}/settings"
    read = (await client.get(path, headers=tenant.credential)).headers["etag"]
    condition = {**tenant.credential, "If-Match": read}
    answers = await asyncio.gather(
        *(client.patch(path, json={"concurrency_limit": limit}, headers=condition) for limit in range(1, 9))
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 7]
    assert_problem(next(answer for answer in answers if answer.status_code == 412), 412, "precondition-failed")
    assert len(await told(pool, tenant)) == 1
    for tag in ("*", f'"other", {next(a for a in answers if a.status_code == 200).headers["etag"]}'):
        headers = {**tenant.credential, "If-Match": tag}
        assert (await client.patch(path, json={"name": "One"}, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"colour": "blue"},
        {"name": " "},
        {"name": None},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../etc"},
        {"concurrency_limit": 0},
        {"concurrency_limit": "3"},
        {"concurrency_limit": True},
        {"concurrency_limit": 2_147_483_648},
        {"campaign_limits": {"spring": 0}},
        {"campaign_limits": None},
        {"assistant_limits": {"nobody": 1}},
        {"minutes_policy": "stop"},
        {"opening_hours": [{"day": "monday", "opens": "9:00", "closes": "17:00"}]},
        {"opening_hours": [{"day": "monday", "opens": "09:00", "closes": "24:30"}]},
        {"opening_hours": [{"day": "monday", "opens": "09:00", "closes": "17:00", "zone": "UTC"}]},
        {"refusal_message": "nul\0"},
        {"refusal_destination": {"type": "assistant"}},
        {"refusal_destination": {"type": "number"}},
        {"transfer_destination": {"type": "sip", "sipUri": "https://example.com"}},
        {"tool_url": "ftp://example.com"},
        {"api_requests_per_second": 0},
        [],
    ],
)
async def test_what_is_not_permitted_changes_nothing(
    client: Client, pool: Pool, tenant: Tenant, changes: object
) -> None:
    answer = await client.patch(f"{tenant.path}/settings", json=changes, headers=tenant.credential)
    assert_problem(answer, 422, "invalid-parameter")
    assert answer.json()["errors"]
    assert await told(pool, tenant) == []
    assert await pool.fetchval("select count(*) from audit_log") == 0


async def test_only_its_own_people_with_the_scope_change_an_organization(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    path = f"{tenant.path}/settings"
    reader = bearer(await add_key(pool, tenant, "organization:read"))
    assert (await client.get(path, headers=reader)).status_code == 200
    assert_problem(await client.patch(path, json={"name": "X"}, headers=reader), 403, "forbidden")
    for method in ("GET", "PATCH"):
        answer = await client.request(method, path, json={"name": "X"}, headers=stranger.credential)
        assert_problem(answer, 404, "not-found")
    assert await told(pool, tenant) == []


async def test_credentials_in_a_tool_url_are_not_shown(client: Client, pool: Pool, tenant: Tenant) -> None:
    path = f"{tenant.path}/settings"
    url = "https://user:secret@tools.example/here?key=secret"
    changed = await client.patch(path, json={"tool_url": url}, headers=tenant.credential)
    assert changed.json()["tool_url"] == "https://tools.example/here"
    assert await pool.fetchval("select tool_url from organizations where id = $1", tenant.organization_id) == url
