import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from actors.domain.call import Call, CallFields, CallStatus, Precedence, Utterance
from actors.domain.conversation import Conversation, Speech
from actors.domain.local_day import local_date
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization
from actors.ports import HourCount, Snapshot, StaleOwnerError
from storage.journal import local_midnight
from storage.redis import open_redis
from storage.snapshots import FORMAT, RedisSnapshots, decode, encode

ORGANIZATION_ID = "7d3f0a52-0d6e-4a35-9a0a-3b7b6a0f7a11"
ZONE = "America/New_York"

texts = st.text(max_size=20)
times = st.integers(0, 2**53)
fields = st.builds(
    CallFields,
    **{
        name: st.none() | (times if name.endswith(("_at", "_ms", "_micros")) else texts)
        for name in CallFields.__dataclass_fields__
        if name != "conversation"
    },
    conversation=st.none()
    | st.builds(
        Conversation,
        first_word_at=st.none() | times,
        turn_latencies_ms=st.lists(times, max_size=3).map(tuple),
        silence_ms=st.none() | times,
        tools_called=times,
        tools_failed=times,
        tool_latencies_ms=st.lists(times, max_size=3).map(tuple),
        interruptions=times,
    ),
)
calls = st.builds(
    Call,
    call_id=texts,
    created_at=times,
    status=st.sampled_from(CallStatus),
    fields=fields,
    precedences=st.dictionaries(texts, st.builds(Precedence, st.integers(), st.integers(-(2**60), 2**60), texts)),
    tool_call_ids=st.frozensets(texts),
    hangs=st.integers(0),
    tags=st.lists(texts, max_size=3).map(tuple),
    tagged_by=st.integers(0),
    live_since=st.none() | times,
    arrivals=st.lists(st.tuples(times, times), max_size=3).map(tuple),
    speech=st.builds(
        Speech,
        speaking=st.frozensets(texts),
        turn_latencies_ms=st.lists(times, max_size=3).map(tuple),
        last_at=times,
        failed_tool_calls=st.frozensets(texts),
    ),
    reported_at=st.none() | times,
    report_missing=st.booleans(),
    processed_at=st.none() | times,
    last_event_at=times,
    last_event_kind=texts,
    absent_at=st.none() | times,
    version=times,
    heard_at=times,
    utterances=st.lists(st.builds(Utterance, role=texts, text=texts, final=st.booleans(), at=times), max_size=3).map(
        tuple
    ),
)
organizations = st.builds(
    Organization,
    organization_id=texts,
    name=texts,
    time_zone=texts,
    today=st.builds(DayCounters, day=st.dates(), calls=times, talk_ms=times, cost_micros=times),
    apply_sequence=times,
    calls=st.dictionaries(texts, calls, max_size=3),
)


@given(st.integers(0, 2**53), organizations)
@settings(max_examples=150, deadline=None)
def test_a_snapshot_comes_back_equal_in_every_field_but_the_figures(epoch: int, state: Organization) -> None:
    snapshot = Snapshot(epoch=epoch, state=state)
    found = decode(encode(snapshot))
    assert found == _kept(snapshot)
    assert found is not None
    assert {type(call.status) for call in found.state.calls.values()} <= {CallStatus}


def _kept(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, state=replace(snapshot.state, today=DayCounters(day=snapshot.state.today.day)))


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def snapshots(redis: Redis) -> RedisSnapshots:
    return RedisSnapshots(redis)


@pytest.fixture
def state() -> Organization:
    now = time.time_ns() // 1_000_000
    statuses = {"ringing": CallStatus.RINGING, "queued": CallStatus.QUEUED, "ended": CallStatus.ENDED}
    return Organization(
        organization_id=ORGANIZATION_ID,
        name="Clinic",
        time_zone=ZONE,
        today=DayCounters(day=local_date(now, ZONE), calls=41),
        apply_sequence=7,
        calls={name: Call(call_id=name, created_at=now, status=status) for name, status in statuses.items()},
    )


async def test_what_was_saved_is_loaded(snapshots: RedisSnapshots, state: Organization) -> None:
    assert await snapshots.load(ORGANIZATION_ID) is None
    for sequence in (7, 8):
        snapshot = Snapshot(epoch=3, state=replace(state, apply_sequence=sequence))
        await snapshots.save(ORGANIZATION_ID, snapshot)
        assert await snapshots.load(ORGANIZATION_ID) == _kept(snapshot)


async def test_a_stale_owner_changes_nothing(snapshots: RedisSnapshots, redis: Redis, state: Organization) -> None:
    newer = Snapshot(epoch=10, state=state)
    await snapshots.save(ORGANIZATION_ID, newer)
    stale = replace(state, apply_sequence=99, calls={}, today=replace(state.today, calls=1))
    with pytest.raises(StaleOwnerError):
        await snapshots.save(ORGANIZATION_ID, Snapshot(epoch=9, state=stale))
    assert await snapshots.load(ORGANIZATION_ID) == _kept(newer)
    assert await redis.get(f"org:{ORGANIZATION_ID}:calls:today") == b"41"
    assert await redis.smembers(f"org:{ORGANIZATION_ID}:active_calls") == {b"ringing"}


async def test_a_newer_owner_replaces_an_older_one(snapshots: RedisSnapshots, state: Organization) -> None:
    for epoch in (9, 10):
        await snapshots.save(ORGANIZATION_ID, Snapshot(epoch=epoch, state=state))
        assert await snapshots.load(ORGANIZATION_ID) == _kept(Snapshot(epoch=epoch, state=state))


async def test_the_mirror_keys_follow(snapshots: RedisSnapshots, redis: Redis, state: Organization) -> None:
    active, today = f"org:{ORGANIZATION_ID}:active_calls", f"org:{ORGANIZATION_ID}:calls:today"
    await snapshots.save(ORGANIZATION_ID, Snapshot(epoch=1, state=state))
    assert await redis.smembers(active) == {b"ringing"}
    assert 0 < await redis.ttl(active) <= 3600
    midnight = local_midnight(state.today.day + timedelta(days=1), ZONE)
    assert await redis.expiretime(today) == int(midnight.timestamp())

    await snapshots.save(ORGANIZATION_ID, Snapshot(epoch=1, state=replace(state, calls={})))
    assert await redis.exists(active) == 0

    yesterday = replace(state.today, day=state.today.day - timedelta(days=2))
    await snapshots.save(ORGANIZATION_ID, Snapshot(epoch=1, state=replace(state, today=yesterday)))
    assert await redis.exists(today) == 0


async def test_requests_of_the_hour_stand_under_their_key_until_it_ends(
    snapshots: RedisSnapshots, redis: Redis
) -> None:
    key, past = f"ratelimit:org:{ORGANIZATION_ID}:api", "ratelimit:org:another:api"
    ends_at = int(time.time()) + 3600
    for granted in (20, 21):
        counts = {
            ORGANIZATION_ID: HourCount(granted=granted, ends_at=ends_at),
            "another": HourCount(granted=9, ends_at=ends_at - 7200),
        }
        await snapshots.mirror_requests(counts)
        assert await redis.get(key) == b"%d" % granted
        assert await redis.expiretime(key) == ends_at
        assert await redis.exists(past) == 0


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"nonsense",
        b'{"format":%d,"epoch":1,"state":{}}' % (FORMAT + 1),
        b'{"format":%d,"epoch":1,"state":{}}' % FORMAT,
    ],
)
async def test_a_document_of_another_format_is_no_snapshot(
    snapshots: RedisSnapshots, redis: Redis, state: Organization, document: bytes
) -> None:
    await redis.set(f"org:{ORGANIZATION_ID}:snapshot", document)
    assert await snapshots.load(ORGANIZATION_ID) is None
    await snapshots.save(ORGANIZATION_ID, Snapshot(epoch=1, state=state))
    assert await snapshots.load(ORGANIZATION_ID) == _kept(Snapshot(epoch=1, state=state))


def test_a_snapshot_of_before_there_were_tags_loads(state: Organization) -> None:
    saved = encode(Snapshot(epoch=1, state=state))
    assert b"tag" not in saved
    loaded = decode(saved)
    assert loaded is not None
    assert all((call.tags, call.tagged_by) == ((), 0) for call in loaded.state.calls.values())


async def test_the_epoch_of_a_later_format_still_fences(
    snapshots: RedisSnapshots, redis: Redis, state: Organization
) -> None:
    await redis.set(f"org:{ORGANIZATION_ID}:snapshot", b'{"format":%d,"epoch":5,"state":{}}' % (FORMAT + 1))
    with pytest.raises(StaleOwnerError):
        await snapshots.save(ORGANIZATION_ID, Snapshot(epoch=4, state=state))
