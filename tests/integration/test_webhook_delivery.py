import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from tests.fakes.delivery_world import (
    CALL,
    ORGANIZATION,
    PLANTED_NUMBER,
    PLANTED_WORDS,
    DeliveryWorld,
    skipping_world,
)
from tests.fakes.processing_world import until


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[DeliveryWorld]:
    async with skipping_world(database_url, Path(sys.prefix) / "bin" / "temporal-test-server") as made:
        yield made


async def test_an_event_told_again_is_delivered_once_and_signed(world: DeliveryWorld) -> None:
    hook, _ = await world.add_integration(), await world.end_call()
    assert await world.enqueue() == 1
    assert await world.enqueue() == 1
    async with world.working():
        assert await world.finish() == "delivered"
        assert await world.enqueue() == 0
        history = await world.keep_history("delivered")
    delivery = await world.the_delivery()
    assert (delivery["status"], delivery["attempts"], delivery["next_attempt_at"]) == ("delivered", 1, None)
    assert delivery["settled_at"] is not None
    [attempt] = await world.attempts()
    assert (attempt["response_status"], attempt["response_excerpt"], attempt["error"]) == (200, "ok", None)
    assert attempt["finished"]
    [got] = world.receiver.received
    assert got.body == delivery["payload"].encode()
    assert got.is_signed_by(world.secrets[hook])
    told = orjson.loads(got.body)
    assert told["type"] == "call.completed"
    assert told["data"]["call_id"] == CALL
    assert told["data"]["duration_seconds"] == 61.5
    assert PLANTED_WORDS in told["data"]["transcript"]
    assert str(delivery["id"]).encode() in history
    for planted in (PLANTED_NUMBER, PLANTED_WORDS, world.receiver.base_url, world.secrets[hook]):
        assert planted.encode() not in history


async def test_a_dead_endpoint_is_tried_ten_times_over_three_days(world: DeliveryWorld) -> None:
    await world.add_integration()
    await world.end_call()
    await world.enqueue()
    world.receiver.status = 500
    world.receiver.body = b"x" * 100_000
    async with world.working():
        assert await world.finish() == "exhausted"
        await world.keep_history("exhausted")
    attempts = await world.attempts()
    assert [row["attempt"] for row in attempts] == list(range(1, 11))
    assert {row["response_status"] for row in attempts} == {500}
    assert {len(row["response_excerpt"]) for row in attempts} == {16_384}
    taken = attempts[-1]["attempted_at"] - attempts[0]["attempted_at"]
    assert timedelta(hours=75, minutes=35) < taken < timedelta(hours=84)
    assert len(set(world.receiver.message_ids())) == 1
    assert len({got.headers["webhook-timestamp"] for got in world.receiver.received}) == 10
    [integration] = await world.fetch("select * from integrations")
    assert integration["failing_since"] is not None
    assert integration["disabled_at"] is None


async def test_an_endpoint_that_comes_back_gets_the_same_message(world: DeliveryWorld) -> None:
    hook, _ = await world.add_integration(), await world.end_call()
    await world.enqueue()
    world.receiver.answers = [500, 302, 404]
    async with world.working():
        assert await world.finish() == "delivered"
        await world.keep_history("delivered-late")
    assert [row["response_status"] for row in await world.attempts()] == [500, 302, 404, 200]
    assert len(set(world.receiver.message_ids())) == 1
    assert len({got.body for got in world.receiver.received}) == 1
    assert all(got.is_signed_by(world.secrets[hook]) for got in world.receiver.received)
    [integration] = await world.fetch("select * from integrations")
    assert integration["failing_since"] is None


async def test_who_asks_for_time_gets_it(world: DeliveryWorld) -> None:
    await world.add_integration()
    await world.end_call()
    await world.enqueue()
    world.receiver.answers = [429]
    world.receiver.headers = {"retry-after": "1800"}
    async with world.working():
        assert await world.finish() == "delivered"
        await world.keep_history("throttled")
    first, second = await world.attempts()
    assert second["attempted_at"] - first["attempted_at"] >= timedelta(minutes=30)


async def test_who_answers_gone_is_sent_nothing_more(world: DeliveryWorld) -> None:
    hook, _ = await world.add_integration(), await world.end_call()
    await world.enqueue()
    world.receiver.status = 410
    async with world.working():
        assert await world.finish() == "cancelled"
        await world.keep_history("gone")
    [integration] = await world.fetch("select * from integrations")
    assert integration["disabled_reason"] == "gone"
    [note] = await world.fetch("select * from audit_log")
    assert (note["actor"], note["action"], note["target"]) == ("system:deliveries", "integration-disabled", str(hook))
    await world.end_call("call-after")
    assert await world.enqueue("call-after") == 0
    assert len(await world.deliveries()) == 1


async def test_five_days_of_failures_disable_and_a_replay_brings_what_was_missed(world: DeliveryWorld) -> None:
    hook, _ = await world.add_integration(), await world.end_call()
    await world.enqueue()
    world.receiver.status = 503
    async with world.working():
        assert await world.finish() == "exhausted"
        await world.skip(days=2)
        await world.end_call("call-2")
        await world.enqueue("call-2")
        second = [row["id"] for row in await world.deliveries() if row["call_id"] == "call-2"][0]  # noqa: RUF015
        assert await world.finish(second) == "cancelled"
        [integration] = await world.fetch("select * from integrations")
        assert integration["disabled_reason"] == "failing"
        assert integration["missed_since"] == integration["failing_since"]
        [note] = await world.fetch("select * from audit_log")
        assert note["reason"].startswith("every delivery failed since ")

        # What happens while it is disabled is kept for the replay, and not sent.
        await world.end_call("call-3")
        assert await world.enqueue("call-3") == 0
        assert [row["status"] for row in await world.deliveries()] == ["exhausted", "cancelled", "cancelled"]

        tried = len(world.receiver.received)
        world.receiver.status = 200
        await world.execute(
            "update integrations set disabled_at = null, disabled_reason = null, failing_since = null where id = $1",
            hook,
        )
        await world.replay(hook)
        await world.status_is("delivered")
    assert len(world.receiver.received) == tried + 3
    [integration] = await world.fetch("select * from integrations")
    assert integration["missed_since"] is None


async def test_two_failures_far_apart_disable_nothing(world: DeliveryWorld) -> None:
    await world.add_integration()
    world.receiver.answers = [500, 200]
    async with world.working():
        for call_id in ("call-1", "call-2"):
            await world.end_call(call_id)
            await world.enqueue(call_id)
            await world.execute("update integrations set failing_since = $1", datetime(2020, 1, 1, tzinfo=UTC))
            [told] = [row["id"] for row in await world.deliveries() if row["call_id"] == call_id]
            assert await world.finish(told) == "delivered"
    [integration] = await world.fetch("select * from integrations")
    assert integration["disabled_at"] is None


async def test_a_rotation_refuses_nothing_and_ends(world: DeliveryWorld) -> None:
    hook = await world.add_integration()
    former = world.secrets[hook]
    await world.rotate(hook, until=datetime.now(UTC) + timedelta(hours=24))
    await world.end_call()
    await world.enqueue()
    world.receiver.answers = [500] * 8
    async with world.working():
        assert await world.finish() == "delivered"
    received = world.receiver.received
    assert all(got.is_signed_by(world.secrets[hook]) for got in received)
    assert received[0].is_signed_by(former)
    assert not received[-1].is_signed_by(former)


async def test_a_switched_off_endpoint_is_not_tried_again(world: DeliveryWorld) -> None:
    await world.add_integration()
    await world.end_call()
    await world.enqueue()
    world.receiver.answers = [500]
    async with world.working():
        await until(lambda: _tried(world, 1))
        await world.execute("update integrations set disabled_at = now(), disabled_reason = 'manual'")
        assert await world.finish() == "cancelled"
        await world.keep_history("cancelled")
    assert len(world.receiver.received) == 1


async def test_one_click_sends_again_what_was_delivered_and_what_was_given_up(world: DeliveryWorld) -> None:
    hook, _ = await world.add_integration(), await world.end_call()
    await world.enqueue()
    async with world.working():
        assert await world.finish() == "delivered"
        delivery_id = (await world.the_delivery())["id"]
        replay_id = await world.replay(hook, delivery_id=delivery_id)
        await world.status_is("delivered")
        assert await world.finish() == "delivered"
        await world.keep_history("sent-again")
    [replay] = await world.fetch("select * from delivery_replays where id = $1", replay_id)
    assert (replay["deliveries"], replay["done_at"] is not None) == (1, True)
    assert len(world.receiver.received) == 2
    assert len(set(world.receiver.message_ids())) == 1
    assert [row["attempt"] for row in await world.attempts()] == [1, 2]


async def test_a_delivery_that_waits_for_days_is_sent_at_once_when_asked_for(world: DeliveryWorld) -> None:
    hook, _ = await world.add_integration(), await world.end_call()
    await world.enqueue()
    world.receiver.status = 500
    async with world.working():
        await world.skip(hours=4)
        await until(lambda: _tried(world, 5))
        world.receiver.status = 200
        await world.replay(hook)
        await world.status_is("delivered")
        await world.keep_history("hurried")


async def test_a_replay_of_a_range_takes_what_it_was_asked_for_page_by_page(world: DeliveryWorld) -> None:
    hook, other = await world.add_integration(), await world.add_integration("/other")
    for number in range(250):
        await world.execute(
            "insert into webhook_deliveries (id, created_at, organization_id, integration_id, event, payload, status,"
            " settled_at) values (gen_random_uuid(), now() - $1 * interval '1 second', $2, $3, 'call.completed', '{}',"
            " $4, now())",
            number, ORGANIZATION, hook if number % 5 else other, "exhausted" if number % 2 else "delivered",
        )  # fmt: skip
    async with world.working():
        replay_id = await world.replay(hook, status="exhausted")
        await until(lambda: _tried(world, 100))
        await world.status_is_of(hook, "delivered")
        assert await world.replay_handle(replay_id).result() == 100
        await world.keep_replay(replay_id, "range")
    [replay] = await world.fetch("select * from delivery_replays where id = $1", replay_id)
    assert replay["deliveries"] == 100
    assert len(set(world.receiver.message_ids("/hook"))) == len(world.receiver.received) == 100


async def test_a_page_of_a_replay_that_is_carried_out_twice_sends_nothing_more(world: DeliveryWorld) -> None:
    hook = await world.add_integration()
    await world.end_call()
    await world.enqueue()
    replay_id = await world.ask_replay(hook)
    page = await world.parts.writer.replay_page(ORGANIZATION, str(replay_id), after=None, limit=100)
    assert page.size == 1
    await world.execute(
        "update webhook_deliveries set status = 'delivered', settled_at = now(), next_attempt_at = null,"
        " at_door = false, in_line_since = null"
    )
    again = await world.parts.writer.replay_page(ORGANIZATION, str(replay_id), after=None, limit=100)
    assert again.size == 1
    await world.status_is("delivered")


async def test_a_delivery_whose_start_was_lost_is_taken_up(world: DeliveryWorld) -> None:
    await world.add_integration()
    await world.end_call()
    await world.enqueue()
    delivery = await world.the_delivery()
    await world.handle(delivery["id"]).terminate()
    await world.execute("update webhook_deliveries set next_attempt_at = now() - interval '1 hour'")
    async with world.working():
        await world.status_is("delivered")


async def test_what_another_key_sealed_is_told_and_tried_again(world: DeliveryWorld) -> None:
    hook, _ = await world.add_integration(), await world.end_call()
    [kept] = await world.fetch("select sealed_secret from integrations")
    await world.execute("update integrations set sealed_secret = '\\x01' || decode(repeat('00', 60), 'hex')")
    await world.enqueue()
    async with world.working():
        await world.skip(seconds=1)
        await until(lambda: _attempted(world, 1))
        await world.execute("update integrations set sealed_secret = $1 where id = $2", kept["sealed_secret"], hook)
        assert await world.finish() == "delivered"
    first, *_ = await world.attempts()
    assert first["error"] == "the signing secret was sealed under another key"


async def test_a_long_call_is_told_with_the_beginning_of_its_words(world: DeliveryWorld) -> None:
    await world.add_integration()
    await world.end_call(said="x" * 300_000)
    await world.enqueue()
    payload = (await world.the_delivery())["payload"]
    assert len(payload) <= 20_000
    told = orjson.loads(payload)["data"]
    assert told["cut"] == ["transcript"]
    assert len(told["transcript"]) > 15_000


async def test_a_call_that_goes_on_is_not_told(world: DeliveryWorld) -> None:
    await world.add_integration()
    await world.end_call()
    await world.execute("update calls set status = 'in-progress'")
    assert await world.enqueue() == 0
    assert await world.deliveries() == []


async def _tried(world: DeliveryWorld, times: int) -> bool:
    return len(world.receiver.received) >= times


async def _attempted(world: DeliveryWorld, times: int) -> bool:
    return sum(row["finished"] for row in await world.attempts()) >= times


pytestmark = pytest.mark.timeout(120)
