"""`simulate` against the product: nothing differs when it works, and what does not work is told."""

import time
from collections.abc import AsyncGenerator
from pathlib import Path

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


def planned(mischief: Mischief, *, count: int = 8, wait_seconds: float = 60) -> Plan:
    starts_at = time.time_ns() // 1_000_000 + 500
    calls = scripted_calls(SEED, count, starts_at=starts_at, rate=8, speed=3, call_seconds=15)
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
    plan = planned(Mischief(duplicate=0.2, reorder=0.2, delay=0.05, drop_report=0.2))
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
