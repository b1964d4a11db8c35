"""What an organization has at VAPI is looked at every night: told where it is not ours any more, repaired on a word.

Real Postgres, Temporal and HTTP; VAPI refuses what is not in its contract.
"""

import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from actors.shard import Shard
from serve.stack.temporal_server import TemporalServer
from storage.postgres import Pool, open_pool
from storage.provider_keys import VAPI, VAPI_PUBLIC, ProviderKeys, put_provider_key
from storage.provisioning import put_webhook_secret
from storage.sealing import Sealer
from storage.wiring import Looked, WiringStore
from tests.fakes.processing_world import kept_history, until
from tests.fakes.vapi_account_server import KEY, VapiAccountServer, running_vapi_account
from tests.integration.rows import Rows
from tests.integration.test_runtime import open_ports
from workflows.activities.provider_wiring import ProviderWiring
from workflows.billing_contracts import OrganizationRef, Round
from workflows.errors import ProviderUnavailableError
from workflows.provider_wiring import ProviderWiringWorkflow
from workflows.reconciliation_contracts import RECONCILIATION_QUEUE
from workflows.vendors.vapi_account import VapiAccount
from workflows.vendors.vapi_wiring import Wiring
from workflows.wiring_contracts import PROVIDER_WIRING_WORKFLOW
from workflows.wiring_desk import WiringDesk

BASE = "https://us.example"
SECRET = "webhook-secret-of-the-test"
FINDINGS = (
    "select id, kind, provider_id, aspects, closed_as, repair_asked_at is not null as is_asked, repair_error"
    " from wiring_findings order by found_at, kind, id"
)
CONFIGURED = "select organization_id from webhook_inbox where type = 'organization-configured' order by id"


@dataclass(kw_only=True)
class WiringWorld:
    """One organization with an assistant and a number at VAPI, both as they must be. `now` is the clock (ms)."""

    pool: Pool
    vapi: VapiAccountServer
    organization_id: str
    sealer: Sealer
    store: WiringStore
    desk: WiringDesk
    activities: ProviderWiring
    wiring: Wiring
    now: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    @property
    def reference(self) -> OrganizationRef:
        return OrganizationRef(organization_id=self.organization_id)

    @property
    def assistant(self) -> dict[str, Any]:
        return self.vapi.records["assistant"]["a-1"]

    @property
    def number(self) -> dict[str, Any]:
        return self.vapi.records["phone-number"]["p-1"]

    async def check(self) -> bool:
        self.now += 60_000
        return await self.desk.check(self.organization_id)

    async def ask(self, finding_id: UUID | None = None) -> None:
        """As the API writes a wish down."""
        self.now += 60_000
        await self.pool.execute(
            "update wiring_findings set repair_asked_at = now(), repair_asked_by = 'key:somebody', repair_error = null"
            " where closed_at is null and ($1::uuid is null or id = $1)",
            finding_id,
        )

    async def repair(self) -> Round:
        self.now += 60_000
        return await self.activities.repair_wiring(self.reference)

    async def findings(self) -> list[tuple[str, list[str], str | None]]:
        return [(row["kind"], row["aspects"], row["closed_as"]) for row in await self.pool.fetch(FINDINGS)]

    async def last_check(self) -> tuple[bool, int, str | None]:
        row = await self.pool.fetchrow("select checked_at, records, error from wiring_checks")
        assert row is not None
        return row["checked_at"] is not None, row["records"], row["error"]

    async def audited(self) -> list[tuple[str, str, str]]:
        rows = await self.pool.fetch("select actor, action, result from audit_log order by id")
        return [(row["actor"], row["action"], row["result"]) for row in rows]


async def give_secret(world: WiringWorld, secret: str, *, expires: str = "null") -> None:
    secret_id = uuid4()
    async with world.pool.acquire() as connection:
        sealed = world.sealer.seal(world.organization_id, secret.encode())
        await put_webhook_secret(
            connection, secret_id=secret_id, organization_id=world.organization_id, provider="vapi", sealed=sealed
        )
    await world.pool.execute(
        f"update webhook_secrets set expires_at = {expires} where id = $1",  # noqa: S608  # words of this file
        secret_id,
    )


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[WiringWorld]:
    sealer = Sealer("A" * 43 + "=")
    async with (
        running_vapi_account() as vapi,
        await open_pool(database_url, size=4, name="test") as pool,
        VapiAccount(vapi.base_url) as account,
    ):
        organization_id = await Rows(pool).add_organization()
        keys, store = ProviderKeys(pool, sealer), WiringStore(pool, sealer)

        desk = WiringDesk(store, account, key_of=keys.key_of, base_url=f"{BASE}/", now=lambda: made.now)
        wiring = Wiring(url=f"{BASE}/webhooks/vapi/{organization_id}", secret=SECRET, authenticates=True)
        made = WiringWorld(
            pool=pool,
            vapi=vapi,
            organization_id=organization_id,
            sealer=sealer,
            store=store,
            desk=desk,
            activities=ProviderWiring(store, desk),
            wiring=wiring,
        )
        async with pool.acquire() as connection:
            for provider, key in ((VAPI, KEY), (VAPI_PUBLIC, "public-key")):
                await put_provider_key(connection, sealer, organization_id=organization_id, provider=provider, key=key)
        await give_secret(made, SECRET)
        await pool.execute(
            "insert into assistants (id, organization_id, name, provider_assistant_id) values ($1, $2, 'Desk', 'a-1')",
            uuid4(), UUID(organization_id),
        )  # fmt: skip
        await pool.execute(
            "insert into phone_numbers (id, organization_id, number, provider_phone_number_id)"
            " values ($1, $2, '+15550000001', 'p-1')",
            uuid4(), UUID(organization_id),
        )  # fmt: skip
        vapi.records["assistant"]["a-1"] = {"id": "a-1", "firstMessage": "Hello", **wiring.of_assistant()}
        vapi.records["phone-number"]["p-1"] = {"id": "p-1", **wiring.of_number()}
        yield made


async def test_what_is_ours_is_no_finding(world: WiringWorld) -> None:
    assert await world.check()
    assert await world.findings() == []
    assert await world.last_check() == (True, 2, None)
    assert await world.pool.fetch(CONFIGURED) == []


async def test_each_part_that_is_not_ours_any_more_is_found_and_its_owner_told(world: WiringWorld) -> None:
    world.assistant["server"] = {**world.wiring.server(), "url": "https://elsewhere.example", "headers": {}}
    world.assistant["serverMessages"] = ["end-of-call-report"]
    world.assistant["monitorPlan"] = {"listenEnabled": True}
    world.number["server"] = {**world.wiring.server(), "backoffPlan": {"type": "fixed", "maxRetries": 0}}
    assert not await world.check()
    assert await world.findings() == [
        ("assistant", ["monitor", "secret", "server_messages", "server_url"], None),
        ("phone-number", ["backoff_plan"], None),
    ]
    assert [str(row["organization_id"]) for row in await world.pool.fetch(CONFIGURED)] == [world.organization_id]
    assert not await world.check()
    assert len(await world.findings()) == 2, "the same twice is one finding"
    assert len(await world.pool.fetch(CONFIGURED)) == 1
    world.vapi.records["phone-number"]["p-1"] = {"id": "p-1", **world.wiring.of_number()}
    assert not await world.check()
    assert [closed_as for _, _, closed_as in await world.findings()] == [None, "agrees"]
    assert len(await world.pool.fetch(CONFIGURED)) == 2


async def test_a_repair_brings_back_what_differs_and_reads_it_back(world: WiringWorld) -> None:
    world.assistant["server"] = {"url": "https://elsewhere.example"}
    world.assistant["serverMessages"] = ["end-of-call-report", "voice-input"]
    await world.check()
    await world.ask()
    assert await world.repair() == Round()
    assert world.wiring.assistant_differences(world.assistant) == frozenset()
    assert world.assistant["firstMessage"] == "Hello"
    assert "voice-input" in world.assistant["serverMessages"], "what somebody wished for beside ours stays"
    assert [sorted(change) for change in world.vapi.changes] == [["server", "serverMessages"]], "the monitor was ours"
    assert [closed_as for _, _, closed_as in await world.findings()] == ["repaired"]
    told = "backoff_plan, secret, server_messages, server_url"
    assert await world.audited() == [("key:somebody", "provider-wiring-repaired", told)]
    assert await world.repair() == Round()
    assert (len(world.vapi.changes), len(await world.audited())) == (1, 1)
    assert await world.check()


async def test_what_vapi_says_it_changed_and_did_not_is_not_repaired(world: WiringWorld) -> None:
    world.number["server"] = {"url": "https://elsewhere.example"}
    world.vapi.deaf = True
    await world.check()
    await world.ask()
    assert await world.repair() == Round()
    [row] = await world.pool.fetch(FINDINGS)
    assert (row["closed_as"], row["is_asked"]) == (None, False)
    assert "still differs" in row["repair_error"]
    [(_, action, result)] = await world.audited()
    assert (action, result) == ("provider-wiring-not-repaired", row["repair_error"])
    world.vapi.deaf = False
    await world.ask()
    await world.repair()
    assert [closed_as for _, _, closed_as in await world.findings()] == ["repaired"]


async def test_while_vapi_is_away_a_repair_waits_and_is_carried_out_after(world: WiringWorld) -> None:
    world.number["server"] = {"url": "https://elsewhere.example"}
    await world.check()
    await world.ask()
    world.vapi.failing = 503
    assert (await world.repair()).pause_seconds is not None
    [row] = await world.pool.fetch(FINDINGS)
    assert (row["closed_as"], row["is_asked"]) == (None, True)
    assert await world.store.repair_organizations(asked_before=world.now * 2) == [world.organization_id]
    world.vapi.failing = None
    assert await world.repair() == Round()
    assert [closed_as for _, _, closed_as in await world.findings()] == ["repaired"]
    assert await world.store.repair_organizations(asked_before=world.now * 2) == []


@pytest.mark.parametrize("status", [401, 403])
async def test_what_vapi_refuses_is_given_up_and_told(world: WiringWorld, status: int) -> None:
    world.number["server"] = {"url": "https://elsewhere.example"}
    await world.check()
    await world.ask()
    world.vapi.failing = status
    assert await world.repair() == Round()
    [row] = await world.pool.fetch(FINDINGS)
    assert (row["closed_as"], row["is_asked"]) == (None, False)
    assert str(status) in row["repair_error"]
    assert not await world.check()
    assert await world.last_check() == (True, 2, f"RefusedError: status {status}")


async def test_where_no_public_key_is_held_the_monitor_is_nobody_s_business(world: WiringWorld) -> None:
    world.assistant["monitorPlan"] = {"controlEnabled": True}
    assert not await world.check()
    await world.pool.execute("delete from provider_keys where provider = $1", VAPI_PUBLIC)
    assert await world.check()


async def test_a_record_that_is_gone_is_found_and_no_repair_brings_it_back(world: WiringWorld) -> None:
    del world.vapi.records["assistant"]["a-1"]
    await world.check()
    assert await world.findings() == [("assistant", ["absent"], None)]
    await world.ask()
    assert await world.repair() == Round()
    assert world.vapi.changes == []
    await world.pool.execute("update assistants set deleted_at = now()")
    await world.check()
    assert await world.findings() == [("assistant", ["absent"], "removed")]


async def test_a_look_that_fails_changes_no_finding_and_is_told(world: WiringWorld) -> None:
    world.number["server"] = {"url": "https://elsewhere.example"}
    await world.check()
    world.number["server"] = world.wiring.server()
    world.vapi.failing = 500
    with pytest.raises(ProviderUnavailableError):
        await world.check()
    assert [closed_as for _, _, closed_as in await world.findings()] == [None]
    assert await world.last_check() == (True, 2, "ProviderUnavailableError: status 500")
    world.vapi.failing = None
    assert await world.check()
    assert await world.last_check() == (True, 2, None)


async def test_a_secret_that_runs_out_is_found_where_another_stays(world: WiringWorld) -> None:
    await world.pool.execute("update webhook_secrets set expires_at = now() + interval '1 day'")
    assert await world.check(), "the only one there is"
    await give_secret(world, "the-new-one")
    assert not await world.check()
    assert [aspects for _, aspects, _ in await world.findings()] == [["secret"], ["secret"]]
    await world.ask()
    await world.repair()
    assert world.assistant["server"]["headers"] == {"X-Vapi-Secret": "the-new-one"}
    assert await world.check()


async def test_without_a_key_that_can_be_read_or_a_secret_the_look_says_so(world: WiringWorld) -> None:
    await world.pool.execute("delete from webhook_secrets")
    assert not await world.check()
    assert await world.last_check() == (False, 0, "RefusedError: there is no webhook secret")


async def test_what_was_read_before_a_repair_opens_nothing_after_it(world: WiringWorld) -> None:
    world.number["server"] = {"url": "https://elsewhere.example"}
    await world.check()
    [line] = [each for each in await world.store.lines(world.organization_id) if each.kind == "phone-number"]
    stale = Looked(line=line, aspects={"server_url"}, at=world.now)
    await world.ask()
    await world.repair()
    await world.store.note(world.organization_id, [stale], at=world.now)
    assert [closed_as for _, _, closed_as in await world.findings()] == ["repaired"]


async def test_every_night_all_organizations_are_looked_at_and_one_holds_up_no_other(world: WiringWorld) -> None:
    world.number["server"] = {"url": "https://elsewhere.example"}
    other = await Rows(world.pool).add_organization()
    async with world.pool.acquire() as connection:
        await put_provider_key(connection, world.sealer, organization_id=other, provider="vapi", key="of nobody")
    await world.pool.execute(
        "insert into assistants (id, organization_id, name, provider_assistant_id) values ($1, $2, 'Desk', 'a-1')",
        uuid4(), UUID(other),
    )  # fmt: skip
    test_server = Path(sys.prefix) / "bin" / "temporal-test-server"
    told: list[Any] = [None]
    async with (
        await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(test_server)) as env,
        Worker(
            env.client,
            task_queue=RECONCILIATION_QUEUE,
            workflows=[ProviderWiringWorkflow],
            activities=[world.activities.list_wired, world.activities.check_wiring],
        ),
    ):
        handle = await env.client.start_workflow(
            PROVIDER_WIRING_WORKFLOW, args=told, id="provider-wiring", task_queue=RECONCILIATION_QUEUE
        )
        assert await handle.result() == 2
        history = await kept_history(handle, "provider-wiring")
    assert KEY.encode() not in history
    assert SECRET.encode() not in history
    assert await world.findings() == [("phone-number", ["backoff_plan", "secret", "server_url"], None)]
    errors = await world.pool.fetch("select error from wiring_checks where organization_id = $1", UUID(other))
    assert [row["error"] for row in errors] == ["RefusedError: there is no webhook secret"]


INCIDENTS = "select rule, closed_at is not null as is_closed from incidents"


async def test_an_incident_stands_as_long_as_something_differs_even_where_no_call_goes_on(
    world: WiringWorld, database_url: str, redis_url: str, temporal_server: TemporalServer
) -> None:
    ports = await open_ports(database_url, redis_url, temporal_server.address)
    shard = Shard(name="organization-shard-0", incarnation=str(uuid4()), shards=1, ports=ports)
    await shard.start()
    try:
        world.number["server"] = {"url": "https://elsewhere.example"}
        await world.check()
        await until(lambda: incidents_are(world, [("provider-wiring-differs", False)]))
        await world.ask()
        await world.repair()
        await until(lambda: incidents_are(world, [("provider-wiring-differs", True)]))
    finally:
        await shard.stop()


async def incidents_are(world: WiringWorld, expected: list[tuple[str, bool]]) -> bool:
    return [(row["rule"], row["is_closed"]) for row in await world.pool.fetch(INCIDENTS)] == expected
