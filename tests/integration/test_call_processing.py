import hashlib
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from storage.bodies import unpacked
from tests.fakes.processing_world import (
    CALL,
    KEY,
    ORGANIZATION,
    PLANTED_NUMBER,
    PLANTED_WORDS,
    ProcessingWorld,
    processing_world,
    report_body,
    until,
)
from tests.fakes.vapi_server import running_vapi

RECORDING = b"RIFF" + bytes(range(256)) * 4_000
RECORDING_PATH = "/recordings/mono.wav"
RECORD_PATH = f"/call/{CALL}"


@pytest_asyncio.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[ProcessingWorld]:
    server = Path(sys.prefix) / "bin" / "temporal-test-server"
    async with running_vapi() as vapi, processing_world(database_url, vapi, tmp_path, server) as made:
        made.vapi.files[RECORDING_PATH] = RECORDING
        yield made


async def test_a_report_is_stored_once_however_often_it_is_signalled(world: ProcessingWorld) -> None:
    await world.ring()
    await world.end()
    await world.report()
    await world.signal()
    async with world.working():
        assert await world.finish() == "processed"
        history = await world.keep_history("report")
        await world.signal()
        assert await world.finish() == "processed"

    [transcript] = await world.fetch("select * from call_transcripts")
    assert transcript["transcript_text"].startswith("AI: Hello.")
    assert [turn["role"] for turn in transcript["messages"]] == ["assistant", "user", "assistant"]
    assert transcript["analysis"]["summary"] == f"{PLANTED_WORDS} called."
    [costs] = await world.fetch("select * from call_costs")
    assert costs["cost_micros"] == 91_200
    actions = await world.fetch("select * from call_actions order by position")
    assert [(row["position"], row["source"]) for row in actions] == [(1, "rules"), (2, "rules")]
    [recording] = await world.fetch("select * from call_recordings")
    stored = world.folder / recording["path"]
    assert stored.read_bytes() == RECORDING
    assert recording["path"].startswith(f"{ORGANIZATION}/")
    assert stored.name == f"{quote(CALL, safe='')}.wav"
    assert (recording["bytes"], recording["sha256"]) == (len(RECORDING), hashlib.sha256(RECORDING).digest())
    assert sorted(await world.internal_types()) == ["call-processed", "recording-stored"]
    assert world.vapi.times_asked(RECORDING_PATH) == 1
    assert CALL.encode() in history
    assert PLANTED_NUMBER.encode() not in history
    assert PLANTED_WORDS.encode() not in history


async def test_without_a_report_the_provider_is_asked_twice_and_a_late_report_still_merges(
    world: ProcessingWorld,
) -> None:
    await world.give_key()
    await world.end()
    async with world.working():
        assert await world.finish() == "processed"
        await world.keep_history("report-missing")
        assert world.vapi.asked == [(RECORD_PATH, f"Bearer {KEY}")] * 2
        assert await world.internal_types() == ["report-missing", "call-processed"]
        assert await world.fetch("select from call_transcripts") == []

        await world.report()
        assert await world.finish() == "processed"
        await world.keep_history("late-report")
    assert len(await world.fetch("select from call_transcripts")) == 1
    assert (await world.internal_types()).count("call-processed") == 2


async def test_the_provider_is_asked_two_and_ten_minutes_after_the_end(world: ProcessingWorld) -> None:
    await world.give_key()
    await world.end()
    async with world.working():
        await world.skip(seconds=110)
        assert world.vapi.asked == []
        await world.skip(seconds=20)
        await until(lambda: _asked(world, RECORD_PATH, 1))
        await world.skip(minutes=7)
        assert len(world.vapi.asked) == 1
        assert "report-missing" not in await world.internal_types()
        await world.finish()
    assert len(world.vapi.asked) == 2


async def test_a_report_that_is_not_delivered_is_fetched(world: ProcessingWorld) -> None:
    await world.give_key()
    message = report_body(world.vapi.base_url)["message"]
    world.vapi.records[RECORD_PATH] = {
        **message, "type": "outboundPhoneCall", "id": CALL, "status": "ended", "updatedAt": "2026-01-01T10:00:00Z",
        "assistant": {"server": {"secret": "of the webhook"}},
    }  # fmt: skip
    await world.end()
    async with world.working():
        assert await world.finish() == "processed"
        history = await world.keep_history("report-fetched")
    assert len(await world.fetch("select from call_transcripts")) == 1
    assert world.vapi.times_asked(RECORD_PATH) == 1
    [body] = await world.fetch("select packed from webhook_bodies")
    assert b"of the webhook" not in unpacked(body["packed"])
    assert "report-missing" not in await world.internal_types()
    assert CALL.encode() in history
    assert PLANTED_NUMBER.encode() not in history
    assert PLANTED_WORDS.encode() not in history


async def test_without_a_key_the_report_is_missing_after_ten_minutes(world: ProcessingWorld) -> None:
    await world.end()
    async with world.working():
        assert await world.finish() == "processed"
        await world.keep_history("no-key")
    assert world.vapi.asked == []
    assert await world.internal_types() == ["report-missing", "call-processed"]


async def test_a_silent_call_the_provider_does_not_know_is_never_ended_by_us(world: ProcessingWorld) -> None:
    await world.give_key()
    await world.ring()
    async with world.working():
        assert await world.finish() == "unconfirmed"
        await world.keep_history("silent")
    assert world.call is not None
    assert not world.call.is_ended
    assert await world.internal_types() == ["provider-absent"] * 9


async def test_a_silent_call_is_renewed_while_live_and_ends_with_the_providers_word(world: ProcessingWorld) -> None:
    await world.give_key()
    record = {"id": CALL, "status": "in-progress", "updatedAt": "2026-01-01T10:00:00Z"}
    world.vapi.records[RECORD_PATH] = record
    await world.ring()
    async with world.working():
        await world.skip(minutes=16)
        await until(lambda: _has(world, "provider-record"))
        world.vapi.records[RECORD_PATH] = {**record, "status": "ended", "endedReason": "silence-timed-out"}
        assert await world.finish() == "processed"
        await world.keep_history("lost-end")
    assert world.call is not None
    assert world.call.is_ended
    assert world.call.fields.ended_reason == "silence-timed-out"


async def test_a_blip_of_the_provider_is_no_absence(world: ProcessingWorld) -> None:
    await world.give_key()
    world.vapi.statuses[RECORD_PATH] = 503
    await world.end()
    async with world.working():
        await world.skip(seconds=121)
        await until(lambda: _asked(world, RECORD_PATH, 1))
        del world.vapi.statuses[RECORD_PATH]
        world.vapi.records[RECORD_PATH] = {"id": CALL, "status": "ended", "artifact": {"transcript": "AI: Hello."}}
        assert await world.finish() == "processed"
    assert "report-missing" not in await world.internal_types()


async def test_a_dead_recording_host_delays_the_recording_alone(world: ProcessingWorld) -> None:
    world.vapi.statuses[RECORDING_PATH] = 503
    await world.report()
    async with world.working():
        await until(lambda: _has(world, "call-processed"))
        await world.skip(days=2)
        assert world.vapi.times_asked(RECORDING_PATH) > 10
        assert await world.fetch("select from call_recordings") == []
        del world.vapi.statuses[RECORDING_PATH]
        assert await world.finish() == "processed"
        await world.keep_history("recording-late")
    assert len(await world.fetch("select from call_recordings")) == 1
    # The third time in vain is told, once.
    assert await world.internal_types() == ["call-processed", "step-delayed", "recording-stored"]


async def test_a_late_report_is_processed_while_the_recording_is_still_retried(world: ProcessingWorld) -> None:
    world.vapi.statuses[RECORDING_PATH] = 503
    await world.report()
    async with world.working():
        await until(lambda: _has(world, "call-processed"))
        await world.report(cost=0.5)
        await until(lambda: _has(world, "call-processed", times=2))
        del world.vapi.statuses[RECORDING_PATH]
        assert await world.finish() == "processed"
        await world.keep_history("two-reports")
    [costs] = await world.fetch("select cost_micros from call_costs")
    assert costs["cost_micros"] == 500_000
    assert len(await world.fetch("select from call_recordings")) == 1


async def test_a_recording_that_is_stored_is_not_fetched_again(world: ProcessingWorld) -> None:
    await world.report()
    async with world.working():
        assert await world.finish() == "processed"
        await world.report(cost=0.5)
        assert await world.finish() == "processed"
    assert world.vapi.times_asked(RECORDING_PATH) == 1
    assert len(await world.fetch("select from call_recordings")) == 1


async def test_a_recording_that_is_gone_is_not_asked_for_again(world: ProcessingWorld) -> None:
    world.vapi.statuses[RECORDING_PATH] = 410
    await world.report()
    async with world.working():
        assert await world.finish() == "processed"
    assert sorted(await world.internal_types()) == ["call-processed", "recording-missing"]
    assert world.vapi.times_asked(RECORDING_PATH) == 1


async def test_a_host_that_stays_dead_is_given_up_after_days(world: ProcessingWorld) -> None:
    world.vapi.statuses[RECORDING_PATH] = 503
    await world.report()
    async with world.working():
        assert await world.finish() == "processed"
        history = await world.keep_history("recording-given-up")
    assert b"copy_recording: ProviderUnavailableError" in history
    assert world.vapi.base_url.encode() not in history
    assert sorted(await world.internal_types()) == ["call-processed", "recording-missing", "step-delayed"]


async def test_with_a_key_the_recording_is_fetched_where_the_provider_redirects_to(world: ProcessingWorld) -> None:
    await world.give_key()
    del world.vapi.files[RECORDING_PATH]
    world.vapi.redirects[f"{RECORD_PATH}/mono-recording"] = f"{world.vapi.base_url}/signed/x.wav"
    world.vapi.files["/signed/x.wav"] = RECORDING
    await world.report()
    async with world.working():
        assert await world.finish() == "processed"
    assert len(await world.fetch("select from call_recordings")) == 1


@pytest.mark.parametrize(
    "said",
    [
        " ".join(f"w{n:06}" for n in range(250_000)),
        " ".join(f"{chr(0x20000 + n // 200)}-{chr(0x20000 + n % 40_000)}" for n in range(200_000)),
        " ".join(f"https://{n}.example/{n}?{n}" for n in range(40_000)),
        "x" * 2_000_000,
    ],
    ids=["words", "pairs", "addresses", "one-word"],
)
async def test_a_transcript_of_any_length_is_kept_whole(world: ProcessingWorld, said: str) -> None:
    await world.report(transcript=said)
    async with world.working():
        assert await world.finish() == "processed"
    [kept] = await world.fetch("select transcript_text from call_transcripts")
    assert kept["transcript_text"] == said


async def test_a_step_that_cannot_succeed_is_told_and_holds_up_no_other(world: ProcessingWorld) -> None:
    await world.execute("create index on call_transcripts (transcript_text)")
    too_many_words = " ".join(f"w{n:06}" for n in range(120_000))
    await world.report(transcript=too_many_words)
    async with world.working():
        assert await world.finish() == "processed"
        history = await world.keep_history("unstorable")
    [row] = await world.fetch("select facts from webhook_inbox where type = 'call-processed'")
    assert row["facts"]["details"] == {"reports": 1, "failed": ["store_transcript"]}
    assert len(await world.fetch("select from call_costs")) == 1
    assert b"w000001" not in history


async def test_workers_that_forget_everything_and_are_replaced_come_to_the_same(world: ProcessingWorld) -> None:
    await world.give_key()
    world.vapi.statuses[RECORDING_PATH] = 503
    await world.ring()
    # The time-skipping server strands a run whose timer fires while a task is with a worker that cancels it
    # (temporalio/sdk-java#3088); a worker that left holds a task for ten seconds, so the wait for the report is longer.
    for step in (partial(world.end, ahead_ms=120_000), world.report):
        async with world.working(max_cached_workflows=0, max_concurrent_workflow_task_polls=1):
            await step()
    async with world.working(max_cached_workflows=0, max_concurrent_workflow_task_polls=1):
        # Each of those that left may have taken a task with it, which Temporal gives to another after ten seconds.
        await until(lambda: _has(world, "call-processed"), seconds=20 + 2 * 10)
    del world.vapi.statuses[RECORDING_PATH]
    async with world.working(max_cached_workflows=0, max_concurrent_workflow_task_polls=1):
        assert await world.finish() == "processed"
    assert len(await world.fetch("select from call_transcripts")) == 1
    assert len(await world.fetch("select from call_recordings")) == 1
    assert await world.internal_types() == ["call-processed", "recording-stored"]


async def _has(world: ProcessingWorld, kind: str, *, times: int = 1) -> bool:
    return (await world.internal_types()).count(kind) >= times


async def _asked(world: ProcessingWorld, path: str, times: int) -> bool:
    return world.vapi.times_asked(path) >= times
