"""The inbox by itself: groups, twins, rows that are refused."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio

from actors.slots import slot_of
from storage.errors import StorageUnavailableError
from storage.inbox import Inbox, NewEvent, RowRefusedError
from storage.postgres import Pool, open_pool
from storage.processing import ProcessingStore

ORGANIZATION = str(uuid4())
NOW = time.time_ns() // 1_000_000


def event(key: str, **changes: object) -> NewEvent:
    told = NewEvent(
        organization_id=ORGANIZATION,
        provider="vapi",
        event_key=key,
        type="hang",
        call_id="call-1",
        facts={"details": {"key": key}},
        occurred_at=NOW - 5,
        received_at=NOW,
        body=b"{}",
    )
    return replace(told, **changes)  # pyright: ignore[reportArgumentType]


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=4, name="test") as opened:
        yield opened


@pytest_asyncio.fixture
async def inbox(pool: Pool) -> AsyncIterator[Inbox]:
    opened = Inbox(pool)
    yield opened
    await opened.close()


async def test_each_of_many_events_gets_its_own_row(inbox: Inbox, pool: Pool) -> None:
    accepted = await asyncio.gather(*(inbox.accept(event(f"k{n}")) for n in range(300)))
    assert [each.row.event_key for each in accepted] == [f"k{n}" for n in range(300)]
    assert len({each.row.id for each in accepted}) == 300
    stored = {row["event_key"]: row for row in await pool.fetch("select * from webhook_inbox")}
    for each in accepted:
        row = stored[each.row.event_key]
        assert (row["id"], row["facts"], row["slot"]) == (each.row.id, each.row.facts, slot_of(ORGANIZATION))
    assert await pool.fetchval("select count(*) from webhook_bodies") == 300


async def test_twins_fold_whether_they_meet_or_not(inbox: Inbox, pool: Pool) -> None:
    accepted = await asyncio.gather(*(inbox.accept(event("k")) for _ in range(50)))
    accepted.append(await inbox.accept(event("k")))
    assert [each.duplicate for each in accepted].count(False) == 1
    assert len({each.row.id for each in accepted}) == 1
    assert await pool.fetchval("select deliveries from webhook_inbox") == 51
    assert await pool.fetchval("select count(*) from webhook_bodies") == 1


async def test_a_duplicate_answers_with_the_row_as_it_is_held(inbox: Inbox) -> None:
    first = await inbox.accept(event("k"))
    later = await inbox.accept(event("k", facts={}, occurred_at=None, received_at=NOW + 1_000))
    assert later.duplicate
    assert later.row == first.row


async def test_one_key_is_another_event_elsewhere(inbox: Inbox) -> None:
    others = [event("k", organization_id=str(uuid4())), event("k", provider="internal")]
    accepted = await asyncio.gather(*(inbox.accept(each) for each in [event("k"), *others]))
    assert [each.duplicate for each in accepted] == [False] * 3


async def test_a_row_postgres_refuses_fails_alone(inbox: Inbox, pool: Pool) -> None:
    # Postgres has no text with a zero byte.
    refused = event("refused", type="\0")
    outcomes = await asyncio.gather(
        *(inbox.accept(each) for each in (event("a"), event("b"), refused, event("c"))), return_exceptions=True
    )
    assert [isinstance(each, RowRefusedError) for each in outcomes] == [False, False, True, False]
    keys = [row["event_key"] for row in await pool.fetch("select event_key from webhook_inbox order by event_key")]
    assert keys == ["a", "b", "c"]


BODY = orjson.dumps({"text": "x" * 1_000})


@pytest.mark.parametrize("bound", [{"max_waiting": 10}, {"max_waiting_bytes": 10 * len(BODY)}])
async def test_what_finds_no_room_is_refused_at_once(pool: Pool, bound: dict[str, int]) -> None:
    inbox = Inbox(pool, **bound)
    for so_many in (10, 20):
        keys = [f"{so_many}-{n}" for n in range(100)]
        outcomes = await asyncio.gather(*(inbox.accept(event(key, body=BODY)) for key in keys), return_exceptions=True)
        refused = [each for each in outcomes if isinstance(each, StorageUnavailableError)]
        assert len(refused) == 90
        assert await pool.fetchval("select count(*) from webhook_inbox") == so_many, "there is room again afterwards"
    await inbox.close()


async def test_large_bodies_go_in_groups_of_a_bounded_size(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.inbox._GROUP_BYTES", 2 * len(BODY))
    inbox = Inbox(pool)
    await asyncio.gather(*(inbox.accept(event(f"k{n}", body=BODY)) for n in range(9)))
    assert await pool.fetchval("select count(distinct xmin::text) from webhook_inbox") >= 5
    await inbox.close()


async def test_closing_sends_what_waits_and_takes_no_more(pool: Pool) -> None:
    inbox = Inbox(pool)
    waiting = [asyncio.create_task(inbox.accept(event(f"k{n}"))) for n in range(100)]
    await asyncio.sleep(0)
    await inbox.close()
    assert len({each.row.id for each in await asyncio.gather(*waiting)}) == 100
    with pytest.raises(StorageUnavailableError):
        await inbox.accept(event("late"))
    await inbox.close()


async def test_a_body_is_kept_compressed_and_read_as_it_came(inbox: Inbox, pool: Pool) -> None:
    body = orjson.dumps({"message": {"type": "end-of-call-report", "text": "It is open till five. " * 2_000}})
    accepted = await inbox.accept(event("k", body=body, type="end-of-call-report"))
    stored = await pool.fetchrow("select body, packed from webhook_bodies where inbox_id = $1", accepted.row.id)
    assert stored is not None
    assert stored["body"] is None
    assert len(stored["packed"]) < len(body) // 8
    assert await ProcessingStore(pool).report_bodies(ORGANIZATION, str(accepted.row.call_id)) == [body]


async def test_a_body_of_before_is_read_beside_those_of_now(inbox: Inbox, pool: Pool) -> None:
    accepted = await inbox.accept(event("k", body=b'{"now":1}', type="end-of-call-report"))
    await pool.execute("update webhook_bodies set packed = null, body = '{\"before\":1}'")
    assert await ProcessingStore(pool).report_bodies(ORGANIZATION, str(accepted.row.call_id)) == ['{"before":1}']
