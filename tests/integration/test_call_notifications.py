"""People hear of a processed call once each, by text message and email, whatever fails in between."""

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from tests.fakes.message_server import ACCOUNT, MessageServer, running_messages
from tests.fakes.processing_world import (
    CALL,
    ORGANIZATION,
    PLANTED_NUMBER,
    PLANTED_WORDS,
    ProcessingWorld,
    processing_world,
    until,
)
from tests.fakes.vapi_server import running_vapi
from workflows.step_contracts import STEPS, CallSteps

NUMBER, ADDRESS = "+15550100001", "owner@clinic.example"
SERVER = Path(sys.prefix) / "bin" / "temporal-test-server"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A call's world, and the vendors of messages in it."""

    calls: ProcessingWorld
    vendors: MessageServer

    async def recipient(self, channel: str, address: str, kind: str = "call-completed") -> None:
        async with self.calls.pool.acquire() as connection:
            await connection.execute(
                "insert into notification_recipients (id, organization_id, channel, address, kinds)"
                " values ($1, $2, $3, $4, $5)",
                uuid4(), UUID(ORGANIZATION), channel, address, [kind],
            )  # fmt: skip

    async def both(self) -> None:
        await self.recipient("sms", NUMBER)
        await self.recipient("email", ADDRESS)

    async def notifications(self) -> list[tuple[str, str, str | None]]:
        rows = await self.calls.fetch("select channel, status, error from notifications order by channel")
        return [(row["channel"], row["status"], row["error"]) for row in rows]

    async def timeline(self, kind: str) -> list[tuple[str, str]]:
        rows = await self.calls.fetch(f"select facts from webhook_inbox where type = '{kind}' order by id")  # noqa: S608
        return [(row["facts"]["details"]["step"], row["facts"]["details"]["reason"]) for row in rows]

    async def has(self, kind: str) -> bool:
        return kind in await self.calls.internal_types()

    async def steps(self) -> CallSteps:
        return await self.calls.handle.query(STEPS, result_type=CallSteps)


@pytest_asyncio.fixture
async def told(database_url: str, tmp_path: Path) -> AsyncIterator[Told]:
    async with (
        running_vapi() as vapi,
        running_messages() as vendors,
        processing_world(
            database_url,
            vapi,
            tmp_path,
            SERVER,
            twilio_account_sid=ACCOUNT,
            twilio_auth_token="token",
            twilio_from="+15550100099",
            twilio_base_url=vendors.base_url,
            resend_api_key="re_test",
            resend_from="calls@clinic.example",
            resend_base_url=vendors.base_url,
        ) as calls,
    ):
        vapi.files["/recordings/mono.wav"] = b"RIFF"
        yield Told(calls=calls, vendors=vendors)


async def test_each_recipient_hears_of_the_call_once_however_many_reports_come(told: Told) -> None:
    await told.both()
    await told.recipient("sms", "+15550100002", "usage")
    await told.calls.report()
    async with told.calls.working():
        assert await told.calls.finish() == "processed"
        history = await told.calls.keep_history("told")
        await told.calls.report(cost=0.5)
        assert await told.calls.finish() == "processed"
    [text] = told.vendors.texts
    [email] = told.vendors.emails.values()
    assert text["to"] == NUMBER
    assert email["to"] == [ADDRESS]
    for said in (text["body"], email["text"]):
        assert CALL in said
        assert PLANTED_NUMBER in said
    assert await told.notifications() == [("email", "sent", None), ("sms", "queued", None)]
    for planted in (NUMBER, ADDRESS, PLANTED_NUMBER, PLANTED_WORDS):
        assert planted.encode() not in history


async def test_an_answer_that_is_lost_tells_nobody_twice(told: Told) -> None:
    await told.both()
    told.vendors.hanging_up = True
    await told.calls.report()
    async with told.calls.working():
        await until(lambda: told.has("call-processed"))
        await told.calls.skip(minutes=1)
        told.vendors.hanging_up = False
        assert await told.calls.finish() == "processed"
    assert len(told.vendors.texts) == 1
    assert len(told.vendors.emails) == 1
    assert [status for _, status, _ in await told.notifications()] == ["sent", "queued"]


async def test_a_worker_that_dies_while_it_sends_tells_nobody_twice(told: Told) -> None:
    await told.both()
    await told.calls.report()
    async with told.calls.working():
        assert await told.calls.finish() == "processed"
    # As if the worker had died between the vendor's answer and writing it down.
    await told.calls.execute(
        "update notifications set vendor_id = null, status = 'sending', attempted_at = sent_at, sent_at = null"
    )
    await told.calls.report(cost=0.5)
    async with told.calls.working():
        assert await told.calls.finish() == "processed"
    assert len(told.vendors.texts) == 1
    assert len(told.vendors.emails) == 1
    assert [status for _, status, _ in await told.notifications()] == ["sent", "queued"]


async def test_a_dead_vendor_delays_its_own_step_and_is_seen(told: Told) -> None:
    await told.both()
    told.vendors.failing = 429
    await told.calls.report()
    async with told.calls.working():
        await until(lambda: told.has("call-processed"))
        await told.calls.skip(hours=1)
        await until(lambda: told.has("step-delayed"))
        steps = await told.steps()
        assert steps.stage == "waiting-for-vendors"
        assert steps.steps["notifications"] == "running"
        assert {step for step, state in steps.steps.items() if state == "done"} >= {
            "store_transcript", "store_costs", "store_actions", "book_usage", "copy_recording", "enqueue_deliveries",
        }  # fmt: skip
        told.vendors.failing = None
        assert await told.calls.finish() == "processed"
        await told.calls.keep_history("told-late")
    assert sorted(await told.timeline("step-delayed")) == [
        ("notifications:email", "status 429, told"),
        ("notifications:sms", "status 429, 0"),
    ]
    assert [status for _, status, _ in await told.notifications()] == ["sent", "queued"]
    assert len(told.vendors.texts) == len(told.vendors.emails) == 1


async def test_a_vendor_that_stays_dead_is_given_up_after_days(told: Told) -> None:
    await told.both()
    told.vendors.failing = 429
    await told.calls.report()
    async with told.calls.working():
        assert await told.calls.finish() == "processed"
        assert (await told.steps()).steps["notifications"] == "failed"
        await told.calls.keep_history("told-nobody")
    gone = "the provider was away"
    assert await told.notifications() == [("email", "failed", gone), ("sms", "failed", gone)]
    assert sorted(await told.timeline("step-failed")) == [("notifications:email", gone), ("notifications:sms", gone)]


@pytest.mark.parametrize(("code", "status", "error"), [(21610, "suppressed", "opt-out"), (21211, "failed", "21211")])
async def test_what_twilio_refuses_for_good_is_not_sent_again(told: Told, code: int, status: str, error: str) -> None:
    await told.recipient("sms", NUMBER)
    told.vendors.failing, told.vendors.code = 400, code
    await told.calls.report()
    async with told.calls.working():
        assert await told.calls.finish() == "processed"
    assert len(told.vendors.attempts) == 1
    assert await told.notifications() == [("sms", status, error)]
    suppressed = await told.calls.fetch("select address, reason from suppressions")
    assert [(row["address"], row["reason"]) for row in suppressed] == ([(NUMBER, "opt-out")] if code == 21610 else [])


async def test_who_is_suppressed_is_not_written_to(told: Told) -> None:
    await told.both()
    await told.calls.execute(
        f"insert into suppressions (organization_id, channel, address, reason) values"  # noqa: S608
        f" ('{ORGANIZATION}', 'email', '{ADDRESS}', 'bounce')"
    )
    await told.calls.report()
    async with told.calls.working():
        assert await told.calls.finish() == "processed"
    assert told.vendors.attempts == [NUMBER]
    assert await told.notifications() == [("email", "suppressed", "bounce"), ("sms", "queued", None)]


async def test_without_vendors_the_messages_say_so(database_url: str, tmp_path: Path) -> None:
    async with running_vapi() as vapi, processing_world(database_url, vapi, tmp_path, SERVER) as calls:
        off = Told(calls=calls, vendors=MessageServer())
        await off.both()
        await calls.report()
        async with calls.working():
            assert await calls.finish() == "processed"
        missing = "no provider is set"
        assert await off.notifications() == [("email", "off", missing), ("sms", "off", missing)]
