"""Which answers of Postgres mean "later", and that what passes quotes nobody."""

import secrets
import time
import traceback
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from storage.errors import StorageUnavailableError
from storage.inbox import Inbox, NewEvent, RowRefusedError
from storage.postgres import Pool, acquired, fetch, open_pool, transaction
from tests.integration.webhook_door import message, open_door

LATER = {
    "08P01": "a pooler kept us waiting",
    "25006": "read only",
    "25P03": "idle in a transaction",
    "28000": "no such role",
    "28P01": "a wrong password",
    "40001": "a serialization failure",
    "40P01": "a deadlock",
    "53000": "resources",
    "53100": "no disk",
    "53200": "no memory",
    "53300": "no connections",
    "55P03": "no lock",
    "57000": "an operator",
    "57014": "cancelled",
    "57P01": "shutting down",
    "57P03": "starting up",
    "57P05": "idle for too long",
    "58000": "the system",
    "58030": "input or output",
    "XX000": "a pooler without a server",
}
NEVER = ("22003", "22021", "23502", "23505", "23514", "42P01", "42501", "55000", "XX001")
EVENT = NewEvent(
    organization_id=str(uuid4()),
    provider="vapi",
    event_key="k",
    type="hang",
    call_id="call-1",
    facts={},
    occurred_at=None,
    received_at=time.time_ns() // 1_000_000,
    body=b"{}",
)


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=4, name="test") as opened:
        yield opened


@pytest_asyncio.fixture
async def inbox(pool: Pool) -> AsyncIterator[Inbox]:
    opened = Inbox(pool)
    yield opened
    await opened.close()


def raising(state: str) -> str:
    return f"do $$ begin raise exception 'told' using errcode = '{state}', detail = 'callers words'; end $$"


async def refuse_rows(pool: Pool, state: str) -> None:
    """Have the server answer every new row of the inbox with `state`."""
    body = raising(state).removeprefix("do $$ ").removesuffix(" $$")
    await pool.execute(f"create function refuse() returns trigger language plpgsql as $$ {body} $$")
    await pool.execute("create trigger refuse before insert on webhook_inbox execute function refuse()")


@pytest.mark.parametrize("state", LATER)
async def test_what_the_server_cannot_do_now_is_unavailable(pool: Pool, state: str) -> None:
    with pytest.raises(StorageUnavailableError) as failure:
        async with acquired(pool) as connection:
            await connection.execute(raising(state))
    assert "callers words" not in "".join(traceback.format_exception(failure.value))


@pytest.mark.parametrize("state", NEVER)
async def test_what_it_never_will_do_passes_without_the_callers_words(pool: Pool, state: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as failure:
        async with transaction(pool) as connection:
            await connection.execute(raising(state))
    assert (failure.value.sqlstate, failure.value.detail, failure.value.context) == (state, None, None)
    assert "callers words" not in "".join(traceback.format_exception(failure.value))


async def test_an_argument_that_cannot_be_sent_is_no_outage(pool: Pool) -> None:
    with pytest.raises(asyncpg.DataError):
        await fetch(pool, "journal_profile", "no uuid")


async def lock_the_inbox(pool: Pool) -> None:
    async with transaction(pool) as connection:
        await connection.execute("set local lock_timeout = '10ms'")
        await connection.execute("lock table webhook_inbox")


async def test_a_lock_that_is_held_is_unavailable(pool: Pool) -> None:
    async with pool.acquire() as holder, holder.transaction():
        await holder.execute("lock table webhook_inbox")
        with pytest.raises(StorageUnavailableError):
            await lock_the_inbox(pool)


def logged_in_as(user: str, password: str, url: str) -> str:
    return f"postgresql://{user}:{password}@{url.partition('@')[2]}"


@pytest.mark.parametrize("user", ["postgres", "nobody"])
async def test_a_login_that_is_refused_is_unavailable(database_url: str, user: str) -> None:
    async with await open_pool(logged_in_as(user, "wrong", database_url), size=1, name="test") as refused:
        inbox = Inbox(refused)
        with pytest.raises(StorageUnavailableError):
            await inbox.accept(EVENT)
        await inbox.close()


async def test_a_full_server_is_unavailable(database_url: str, pool: Pool) -> None:
    role = f"limited_{secrets.token_hex(4)}"
    await pool.execute(f"create role {role} login password 'of-the-test' connection limit 0")
    async with await open_pool(logged_in_as(role, "of-the-test", database_url), size=1, name="test") as full:
        with pytest.raises(StorageUnavailableError, match="too many connections"):
            await fetch(full, "ownership_owners")
    await pool.execute(f"drop role {role}")


async def test_the_inbox_passes_an_outage_on_as_one(inbox: Inbox, pool: Pool) -> None:
    await refuse_rows(pool, "53100")
    with pytest.raises(StorageUnavailableError):
        await inbox.accept(EVENT)


async def test_the_inbox_tells_a_refused_row_from_an_outage(inbox: Inbox, pool: Pool) -> None:
    await refuse_rows(pool, "23514")
    with pytest.raises(RowRefusedError) as failure:
        await inbox.accept(EVENT)
    assert "callers words" not in "".join(traceback.format_exception(failure.value))


async def test_a_missing_partition_is_unavailable_and_an_alarm(inbox: Inbox, pool: Pool) -> None:
    # No partition takes the body of a message of 1970.
    with capture_logs() as logs, pytest.raises(StorageUnavailableError):
        await inbox.accept(replace(EVENT, received_at=1))
    assert [(log["log_level"], log["table"]) for log in logs] == [("error", "webhook_bodies")]
    assert await pool.fetchval("select count(*) from webhook_inbox") == 0


async def test_the_door_answers_such_an_outage_with_503_or_from_its_copy(database_url: str) -> None:
    async with open_door(database_url) as door, open_door(database_url) as cold:
        organization_id = await door.add_organization()
        await door.add_number(organization_id, provider_id="pn-1", number="+15550100099", config={"name": "Desk"})
        await door.post(organization_id, message("hang", call_id="another"))
        await refuse_rows(door.database, "53100")
        await door.database.execute("alter table organizations rename to away")
        await door.database.execute(
            "create function refused() returns boolean language plpgsql as "
            "$$ begin raise exception 'told' using errcode = '53200'; end $$"
        )
        await door.database.execute("create view organizations as select * from away where refused()")
        ended, request = (
            message("status-update", status="ended"),
            message("assistant-request", phoneNumber={"id": "pn-1"}),
        )
        assert (await door.post(organization_id, ended)).status_code == 503
        assert (await door.post(organization_id, request)).json() == {"assistant": {"name": "Desk"}}
        assert (await cold.post(organization_id, ended)).status_code == 503
