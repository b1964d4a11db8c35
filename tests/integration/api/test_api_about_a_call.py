"""What went out about a call: its deliveries with their last answers, and the messages people got."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from storage.postgres import Pool
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import Tenant, add_member
from tests.integration.api.stored_calls import store_call
from tests.integration.api.test_api_access import add_key, assert_problem, bearer

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=40)

# Statuses and errors of an endpoint's attempts, in their order; no status is no answer.
Answers = list[tuple[int | None, str | None]]


async def insert(pool: Pool, table: str, **values: Any) -> None:
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await pool.execute(
        f"insert into {table} ({', '.join(values)}) values ({places})",  # noqa: S608  # names of this file
        *values.values(),
    )


async def deliver(
    pool: Pool, tenant: Tenant, call_id: str | None, *, at: datetime, answers: Answers, status: str = "pending"
) -> str:
    of = {"organization_id": UUID(tenant.organization_id), "integration_id": uuid4()}
    delivery_id = uuid4()
    await insert(
        pool, "webhook_deliveries", **of, id=delivery_id, created_at=at, event="call.completed", call_id=call_id,
        payload="{}", status=status, attempts=len(answers), settled_at=None if status == "pending" else at,
    )  # fmt: skip
    for attempt, (answered, error) in enumerate(answers, 1):
        await insert(
            pool, "webhook_delivery_attempts", **of, delivery_id=delivery_id, delivery_created_at=at, attempt=attempt,
            attempted_at=at + timedelta(minutes=attempt), duration_ms=5, response_status=answered, error=error,
            response_excerpt="a secret of theirs",
        )  # fmt: skip
    return str(delivery_id)


async def write(pool: Pool, tenant: Tenant, call_id: str | None, *, at: datetime, **told: Any) -> str:
    values = {"kind": "call-completed", "channel": "sms", "recipient": "+15550100001", "provider": "twilio", **told}
    message_id = uuid4()
    of = {"organization_id": UUID(tenant.organization_id), "call_id": call_id}
    await insert(pool, "notifications", **of, id=message_id, created_at=at, body="what it says", **values)
    return str(message_id)


async def listed(client: httpx.AsyncClient, tenant: Tenant, what: str, **params: str) -> list[dict[str, Any]]:
    got = await client.get(f"{tenant.path}/{what}", params=params, headers=tenant.credential)
    assert got.status_code == 200, got.text
    return got.json()[what]


async def test_a_calls_deliveries_come_with_how_their_last_attempts_ended(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    at = NOW - timedelta(hours=1)
    given_up = await deliver(
        pool, tenant, "call-1", at=at, status="exhausted", answers=[(500, None), (None, "connection refused")]
    )
    arrived = await deliver(
        pool,
        tenant,
        "call-1",
        at=at + timedelta(minutes=1),
        status="delivered",
        answers=[(None, "timeout"), (204, None)],
    )
    waiting = await deliver(pool, tenant, "call-1", at=at + timedelta(minutes=2), answers=[])
    await deliver(pool, tenant, "call-2", at=at, answers=[(200, None)])
    await deliver(pool, tenant, None, at=at, answers=[])
    await deliver(pool, stranger, "call-1", at=at, answers=[(200, None)])
    told = await listed(client, tenant, "deliveries", call_id="call-1")
    assert [(each["id"], each["last_response_status"], each["last_error"]) for each in told] == [
        (waiting, None, None),
        (arrived, 204, None),
        (given_up, None, "connection refused"),
    ]
    assert told[0]["last_attempt_at"] is None
    assert datetime.fromisoformat(told[1]["last_attempt_at"]) == at + timedelta(minutes=3)
    assert "a secret of theirs" not in str(told)
    assert [
        each["id"] for each in await listed(client, tenant, "deliveries", call_id="call-1", status="delivered")
    ] == [arrived]
    assert len(await listed(client, tenant, "deliveries")) == 5


async def test_a_calls_messages_tell_what_became_of_each(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    at = NOW - timedelta(hours=1)
    failed = await write(
        pool, tenant, "call-1", at=at, status="undelivered", error="30003", vendor_id="SM1", sent_at=at
    )
    again = await write(pool, tenant, "call-1", at=at, resend_of=UUID(failed), generation=1)
    mail = await write(
        pool,
        tenant,
        "call-1",
        at=at,
        channel="email",
        recipient="owner@clinic.example",
        provider="resend",
        status="sent",
    )
    await write(pool, tenant, "call-2", at=at)
    await write(pool, tenant, None, at=at, kind="usage")
    await write(pool, stranger, "call-1", at=at)
    told = {each["id"]: each for each in await listed(client, tenant, "notifications", call_id="call-1")}
    assert set(told) == {failed, again, mail}
    assert (told[failed]["status"], told[failed]["error"], told[failed]["recipient"]) == (
        "undelivered",
        "30003",
        "+15550100001",
    )
    assert datetime.fromisoformat(told[failed]["sent_at"]) == at
    assert (told[again]["resend_of"], told[again]["status"], told[again]["sent_at"]) == (failed, "pending", None)
    assert "what it says" not in str(told)
    emails = await listed(client, tenant, "notifications", call_id="call-1", channel="email")
    assert [each["id"] for each in emails] == [mail]
    assert len(await listed(client, tenant, "notifications")) == 5


async def test_pages_follow_each_other_within_their_dates(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant
) -> None:
    ids: dict[str, list[str]] = {"deliveries": [], "notifications": []}
    for minute in range(3):
        at = LONG_AGO - timedelta(minutes=minute)
        ids["deliveries"].append(await deliver(pool, tenant, "call-1", at=at, answers=[(200, None)]))
        ids["notifications"].append(await write(pool, tenant, "call-1", at=at))
    dates = {"from": (LONG_AGO - timedelta(minutes=2)).isoformat(), "to": NOW.isoformat()}
    for what, expected in ids.items():
        assert await listed(client, tenant, what, call_id="call-1") == [], "a week unless told, of a call never seen"
        query = {**dates, "call_id": "call-1", "limit": "2"}
        first = await client.get(f"{tenant.path}/{what}", params=query, headers=tenant.credential)
        cursor = first.json()["next_cursor"]
        rest = await client.get(f"{tenant.path}/{what}", params={**query, "cursor": cursor}, headers=tenant.credential)
        assert [each["id"] for got in (first, rest) for each in got.json()[what]] == expected
        assert rest.json()["next_cursor"] is None
        of_another = {**query, "call_id": "call-2", "cursor": cursor}
        refused = await client.get(f"{tenant.path}/{what}", params=of_another, headers=tenant.credential)
        assert_problem(refused, 400, "malformed-request")


async def test_all_that_went_out_about_a_call_is_told_however_late(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant
) -> None:
    """Without dates; with some they hold, and no more than 93 days of them."""
    months = [datetime(NOW.year, NOW.month, 1, tzinfo=UTC) - timedelta(days=days) for days in (1, 100, 130)]
    for table in ("webhook_deliveries", "notifications", "calls"):
        for month in months:
            await pool.execute("select private.ensure_partitions($1, '1 month', $2, 0)", table, month)
    first, between, last = months[2], months[1], NOW
    await store_call(pool, tenant.organization_id, "call-1", created_at=first)
    for at in (first, between, last):
        await deliver(pool, tenant, "call-1", at=at, answers=[])
        await write(pool, tenant, "call-1", at=at)
        await deliver(pool, tenant, "call-2", at=at, answers=[])
    for what in ("deliveries", "notifications"):
        told = await listed(client, tenant, what, call_id="call-1")
        assert [datetime.fromisoformat(each["created_at"]) for each in told] == [last, between, first]
        since = (NOW - timedelta(days=7)).isoformat()
        assert len(await listed(client, tenant, what, call_id="call-1", **{"from": since})) == 1
        query = {"call_id": "call-1", "from": first.isoformat()}
        refused = await client.get(f"{tenant.path}/{what}", params=query, headers=tenant.credential)
        assert_problem(refused, 422, "invalid-parameter")


async def test_who_may_read_it(
    client: httpx.AsyncClient, pool: Pool, issuer: TokenIssuer, tenant: Tenant, stranger: Tenant
) -> None:
    await deliver(pool, tenant, "call-1", at=NOW - timedelta(hours=1), answers=[])
    await write(pool, tenant, "call-1", at=NOW - timedelta(hours=1))
    narrow = bearer(await add_key(pool, tenant, "calls:read"))
    people = {role: await add_member(pool, issuer, tenant, role) for role in ("viewer", "supervisor")}
    for what in ("deliveries", "notifications"):
        for role, status in (("viewer", 403), ("supervisor", 200)):
            got = await client.get(f"{tenant.path}/{what}", headers=people[role].credential)
            assert got.status_code == status, role
        assert_problem(await client.get(f"{tenant.path}/{what}", headers=narrow), 403, "forbidden")
        assert_problem(await client.get(f"{tenant.path}/{what}", headers=stranger.credential), 404, "not-found")
        assert await listed(client, stranger, what, call_id="call-1") == []
