"""`simulate` against the product: nothing differs when it works, and what does not work is told."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import pytest_asyncio
from rich.console import Console

from serve.simulator.calls import scripted_calls
from serve.simulator.drive import Outcome, Plan, drive, print_outcome
from serve.simulator.mischief import Mischief, deliveries
from serve.simulator.target import Target, read_target
from serve.stack.state import write_dev_file
from serve.stack.temporal_server import TemporalServer
from tests.integration.one_process import product

SEED = 5
T = TypeVar("T")


@pytest_asyncio.fixture
async def data_dir(
    tmp_path: Path, database_url: str, redis_url: str, temporal_server: TemporalServer
) -> AsyncGenerator[Path]:
    """The data folder of a running product."""
    async with product(
        tmp_path, database_url=database_url, redis_url=redis_url, temporal_address=temporal_server.address
    ) as told:
        write_dev_file(tmp_path / "dev.json", told)
        yield tmp_path


def planned(mischief: Mischief, *, count: int = 8, wait_seconds: float = 60, lead_ms: int = 500) -> Plan:
    starts_at = time.time_ns() // 1_000_000 + lead_ms
    calls = scripted_calls(SEED, count, starts_at=starts_at, rate=8, speed=4, call_seconds=15)
    sent = deliveries(calls, mischief, seed=SEED)
    return Plan(
        calls=calls,
        deliveries=sent,
        wait_seconds=wait_seconds,
        settled_seconds=2.5,
        # They come after two minutes: tests/unit/test_simulator_ledger.py says what is then expected.
        awaits_lost_reports=False,
    )


async def run(target: Target, plan: Plan) -> Outcome:
    outcome = await drive(target, plan, Console(quiet=True))
    print_outcome(Console(), outcome)
    return outcome


async def test_nothing_differs_whatever_goes_wrong_on_the_way(data_dir: Path) -> None:
    # Whoever begins to send late finds nothing settled half way, and nothing to compare.
    plan = planned(Mischief(duplicate=0.2, reorder=0.2, delay=0.05, drop_report=0.2), lead_ms=1_500)
    outcome = await run(read_target(data_dir, "main"), plan)
    assert outcome.differences == []
    assert outcome.calls == len(plan.calls)
    assert outcome.ledger.answers == {"200": outcome.ledger.sent}
    assert outcome.ledger.duplicates > 0
    half_way = [look for when, look in outcome.looks.items() if when.startswith("half way")]
    assert len(half_way) == 2
    assert all(look.expected == look.found > 0 for look in half_way)


async def test_calls_of_the_other_organization_are_its_own(data_dir: Path) -> None:
    outcome = await run(read_target(data_dir, "other"), planned(Mischief(), count=2))
    assert outcome.differences == []
    main = read_target(data_dir, "main")
    async with httpx.AsyncClient() as http:
        answer = await http.get(main.v1("calls"), headers=main.authorization)
    assert answer.json()["calls"] == []


async def eventually(call: Callable[[], Awaitable[T | None]]) -> T:
    """What it answers as soon as that is something."""
    async with asyncio.timeout(120):
        while (found := await call()) is None:  # noqa: ASYNC110  # another process is asked
            await asyncio.sleep(0.1)
        return found


@pytest.mark.timeout(300)
async def test_an_operators_commands_change_the_call_and_what_becomes_of_it(data_dir: Path) -> None:
    target = read_target(data_dir, "main")
    starts_at = time.time_ns() // 1_000_000 + 500
    # Long enough to be commanded; nobody but an operator ends them within the test.
    scripted = [
        replace(call, control_base=target.control_base)
        for call in scripted_calls(SEED, 40, starts_at=starts_at, rate=40, call_seconds=400)
        if call.kind == "inboundPhoneCall" and call.answered_at is not None
    ][:3]
    ids = said, transferred, ended = [call.call_id for call in scripted]
    plan = Plan(calls=scripted, deliveries=deliveries(scripted, Mischief(), seed=SEED), wait_seconds=60)
    running = asyncio.create_task(run(target, plan))
    async with httpx.AsyncClient(headers=target.authorization) as http:

        async def talking() -> bool | None:
            answer = await http.get(target.v1("calls/active"))
            listed: list[dict[str, Any]] = answer.json()["calls"] if answer.is_success else []
            return {call["call_id"] for call in listed if call["status"] == "in-progress"} >= set(ids) or None

        async def command(call_id: str, **told: Any) -> int:
            return (await http.post(target.v1(f"calls/{call_id}/control"), json=told)).status_code

        async def accepted(call_id: str, **told: Any) -> bool | None:
            # Between the webhook and the vendor's record of the call there may be a moment.
            return await command(call_id, **told) == 200 or None

        async def reported(call_id: str) -> dict[str, Any] | None:
            answer = await http.get(target.v1(f"calls/{call_id}"))
            call: dict[str, Any] = answer.json() if answer.is_success else {"report": None}
            # In the others nobody may have spoken a word yet.
            is_whole = call["report"] == "received" and (call_id != said or call["transcript"])
            return call if is_whole else None

        await eventually(talking)
        await eventually(lambda: accepted(said, action="mute", whom="assistant"))
        await eventually(lambda: accepted(said, action="unmute", whom="assistant"))
        await eventually(lambda: accepted(said, action="whisper", content="not for the caller"))
        await eventually(
            lambda: accepted(said, action="say", content="A colleague takes over.", end_call_after_spoken=True)
        )
        destination = {"type": "number", "number": "+15550100099"}
        await eventually(lambda: accepted(transferred, action="transfer", destination=destination))
        await eventually(lambda: accepted(ended, action="end", reason="a test"))
        calls = {call_id: await eventually(partial(reported, call_id)) for call_id in ids}
        # The vendor's own record tells the end, too: what is over is no longer commanded.
        assert await command(ended, action="say", content="hello") == 409
    outcome = await running
    assert outcome.differences == []
    assert {call_id: call["ended_reason"] for call_id, call in calls.items()} == {
        said: "assistant-ended-call",
        transferred: "assistant-forwarded-call",
        ended: "manually-canceled",
    }
    assert all(call["status"] == "ended" for call in calls.values())
    assert "AI: A colleague takes over." in calls[said]["transcript"]
    assert "not for the caller" not in calls[said]["transcript"]
    assert calls[transferred]["transferred_to"] == "+15550100099"


async def test_what_was_not_taken_in_is_told(data_dir: Path) -> None:
    target = read_target(data_dir, "main")
    wrong = Target(
        base_url=target.base_url,
        live_url=target.live_url,
        organization_id=target.organization_id,
        api_key=target.api_key,
        vapi_secret="wrong",
    )
    plan = planned(Mischief(), count=1)
    outcome = await run(wrong, plan)
    assert outcome.differences == [f"{len(plan.deliveries)} webhooks answered 401"]


@pytest.mark.parametrize("content", [None, "{}", "not json"])
def test_without_a_running_stack_the_command_says_so(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "dev.json").write_text(content)
    with pytest.raises(Exception, match=r"no stack runs|cannot be read"):
        read_target(tmp_path, "main")
