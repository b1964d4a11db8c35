"""Incidents and alarm rules over REST: read as the tenant, changed by inbox rows for the organization's owner."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from actors.domain.alarm_rules import DEFAULT_RULES, rule_facts
from actors.slots import slot_of
from storage.api_keys import add_api_key, new_api_key
from storage.postgres import Pool, transaction
from tests.integration.api.conftest import Tenant
from tests.integration.api.test_api_access import assert_problem

ANY = {"if-match": "*"}
OPENED = datetime(2026, 8, 1, 12, tzinfo=UTC)


async def add_incident(pool: Pool, tenant: Tenant, *, minutes: int = 0, ended: bool = False) -> str:
    incident_id = str(uuid4())
    at = OPENED + timedelta(minutes=minutes)
    await pool.execute(
        """insert into incidents
               (organization_id, incident_id, slot, rule, metric, severity, threshold, call_id, evidence, opened_at,
                recovered_at)
           values ($1, $2, $3, 'call-silent', 'silence_seconds', 'warning', 15, $4, $5, $6, $7)""",
        tenant.organization_id,
        incident_id,
        slot_of(tenant.organization_id),
        f"call-{incident_id}",
        {"value": 15.5, "since": 1_785_585_600_000, "call_id": f"call-{incident_id}", "detail": None},
        at,
        at + timedelta(minutes=4) if ended else None,
    )
    return incident_id


async def asked(pool: Pool, tenant: Tenant) -> list[tuple[str, dict[str, Any]]]:
    """What waits in the inbox for the organization's owner."""
    rows = await pool.fetch(
        "select type, facts from webhook_inbox where organization_id = $1 and provider = 'internal' order by id",
        tenant.organization_id,
    )
    return [(row["type"], row["facts"]) for row in rows]


def of(rule: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "mine", "metric": "hangs", "threshold": 2, "clear": 2, **rule, **changes}


async def test_incidents_are_paged_newest_first(client: httpx.AsyncClient, pool: Pool, tenant: Tenant) -> None:
    ids = [await add_incident(pool, tenant, minutes=each // 2, ended=each % 2 == 1) for each in range(6)]
    opened = [ids[0], ids[2], ids[4]]
    for only, expected in ((None, ids), ("true", opened), ("false", [ids[1], ids[3], ids[5]])):
        found: list[str] = []
        cursor: str | None = None
        while True:
            query = {"limit": "2", **({"open": only} if only else {}), **({"cursor": cursor} if cursor else {})}
            page = (await client.get(f"{tenant.path}/incidents", params=query, headers=tenant.credential)).json()
            found += [each["incident_id"] for each in page["incidents"]]
            assert all((each["recovered_at"] is None) == (each["incident_id"] in opened) for each in page["incidents"])
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert sorted(found) == sorted(expected)
        assert [ids.index(each) // 2 for each in found] == sorted(
            (ids.index(each) // 2 for each in found), reverse=True
        )


async def test_a_cursor_belongs_to_its_filter_and_organization(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    for each in range(2):
        await add_incident(pool, tenant, minutes=each)
    first = await client.get(f"{tenant.path}/incidents", params={"limit": 1}, headers=tenant.credential)
    cursor = first.json()["next_cursor"]
    for who, query in (
        (tenant, {"cursor": cursor, "open": "true"}),
        (stranger, {"cursor": cursor}),
        (tenant, {"cursor": "x"}),
    ):
        answer = await client.get(f"{who.path}/incidents", params=query, headers=who.credential)
        assert answer.status_code == 400


async def test_an_incident_is_told_as_the_feed_tells_it(client: httpx.AsyncClient, pool: Pool, tenant: Tenant) -> None:
    incident_id = await add_incident(pool, tenant, ended=True)
    page = (await client.get(f"{tenant.path}/incidents", headers=tenant.credential)).json()
    (told,) = page["incidents"]
    assert (told["incident_id"], told["scope"], told["severity"]) == (incident_id, "call", "warning")
    assert (told["opened_at"], told["lasted_seconds"]) == ("2026-08-01T12:00:00.000Z", 240)
    assert told["evidence"]["since"] == "2026-08-01T12:00:00.000Z"


@pytest.mark.parametrize("action", ["acknowledge", "resolve", "mute"])
async def test_what_somebody_does_goes_to_the_owner(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant, stranger: Tenant, action: str
) -> None:
    incident_id = await add_incident(pool, tenant)
    for _ in range(2):
        answer = await client.post(f"{tenant.path}/incidents/{incident_id}/{action}", headers=tenant.credential)
        assert answer.status_code == 202
        assert answer.json()["incident_id"] == incident_id
    rows = await asked(pool, tenant)
    assert len(rows) == (2 if action == "mute" else 1)
    kind, facts = rows[0]
    assert (
        kind
        == {"acknowledge": "incident-acknowledged", "resolve": "incident-resolved", "mute": "incident-muted"}[action]
    )
    assert facts["incident_id"] == incident_id
    assert facts["by"]
    for who, path in ((stranger, stranger.path), (stranger, tenant.path)):
        answer = await client.post(f"{path}/incidents/{incident_id}/{action}", headers=who.credential)
        assert answer.status_code == 404
    assert await asked(pool, stranger) == []
    logged = await client.get(f"{tenant.path}/audit-log", headers=tenant.credential)
    told = [(each["actor"], each["action"], each["target"]) for each in logged.json()["entries"]]
    assert told == [(facts["by"], kind, f"call-silent call-{incident_id}")] * len(rows)


async def test_what_has_ended_is_not_acted_on(client: httpx.AsyncClient, pool: Pool, tenant: Tenant) -> None:
    incident_id = await add_incident(pool, tenant, ended=True)
    answer = await client.post(f"{tenant.path}/incidents/{incident_id}/acknowledge", headers=tenant.credential)
    assert answer.status_code == 409
    assert answer.json()["type"] == "urn:call-supervisor:problem:conflict"
    absent = await client.post(f"{tenant.path}/incidents/{uuid4()}/acknowledge", headers=tenant.credential)
    assert absent.status_code == 404
    assert await asked(pool, tenant) == []


async def test_reading_permits_no_change(client: httpx.AsyncClient, pool: Pool, tenant: Tenant) -> None:
    incident_id, key = await add_incident(pool, tenant), new_api_key()
    async with transaction(pool) as connection:
        await add_api_key(
            connection, key, organization_id=tenant.organization_id, name="reader", scopes=["alarms:read"]
        )
    credential = {"Authorization": f"Bearer {key.text}"}
    assert (await client.get(f"{tenant.path}/incidents", headers=credential)).status_code == 200
    refused = await client.post(f"{tenant.path}/incidents/{incident_id}/resolve", headers=credential)
    assert refused.status_code == 403
    assert (
        await client.put(f"{tenant.path}/alarm-rules", json={"rules": []}, headers=credential | ANY)
    ).status_code == 403


async def test_rules_begin_with_the_defaults_and_are_replaced_by_name(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant
) -> None:
    defaults = (await client.get(f"{tenant.path}/alarm-rules", headers=tenant.credential)).json()["rules"]
    assert {each["name"] for each in defaults} == {each.name for each in DEFAULT_RULES}
    assert not any(each["own"] for each in defaults)
    silent = next(each for each in DEFAULT_RULES if each.name == "call-silent")
    await pool.execute(
        "insert into alarm_rules (organization_id, rules, configured_at) values ($1, $2, now())",
        tenant.organization_id,
        [rule_facts(replace(silent, threshold=40.0, cooldown_ms=90_500))],
    )
    rules = (await client.get(f"{tenant.path}/alarm-rules", headers=tenant.credential)).json()["rules"]
    assert len(rules) == len(DEFAULT_RULES)
    (own,) = [each for each in rules if each["own"]]
    assert (own["name"], own["threshold"], own["cooldown_seconds"]) == ("call-silent", 40, 90.5)


async def test_rules_that_are_set_go_to_the_owner(client: httpx.AsyncClient, pool: Pool, tenant: Tenant) -> None:
    told = {"rules": [of({}, pending_seconds=1.5, severity="critical", assistant_id="a-1")]}
    answer = await client.put(f"{tenant.path}/alarm-rules", json=told, headers=tenant.credential | ANY)
    assert answer.status_code == 202
    assert {each["name"] for each in answer.json()["rules"]} == {"mine", *(each.name for each in DEFAULT_RULES)}
    shown = await client.get(f"{tenant.path}/alarm-rules", headers=tenant.credential)
    assert (shown.json(), shown.headers["etag"]) == (answer.json(), answer.headers["etag"])
    ((kind, facts),) = await asked(pool, tenant)
    assert kind == "alarm-rules-configured"
    (rule,) = facts["rules"]
    assert (rule["name"], rule["pending_ms"], rule["severity"], rule["assistant_id"]) == (
        "mine",
        1_500,
        "critical",
        "a-1",
    )
    log = (await client.get(f"{tenant.path}/audit-log", headers=tenant.credential)).json()["entries"]
    assert [(each["action"], each["target"]) for each in log] == [("alarm-rules-configured", "mine")]


async def test_of_changes_from_one_reading_one_is_made(client: httpx.AsyncClient, pool: Pool, tenant: Tenant) -> None:
    path = f"{tenant.path}/alarm-rules"
    read = await client.get(path, headers=tenant.credential)
    headers = tenant.credential | {"if-match": read.headers["etag"]}
    answers = await asyncio.gather(
        *(client.put(path, json={"rules": [of({}, name=f"mine-{n}")]}, headers=headers) for n in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [202, 412, 412, 412]
    assert_problem(next(answer for answer in answers if answer.status_code == 412), 412, "precondition-failed")
    made = next(answer for answer in answers if answer.status_code == 202)
    assert (await client.get(path, headers=tenant.credential)).json() == made.json()
    assert len(await asked(pool, tenant)) == 1
    again = tenant.credential | {"if-match": f'"another", {made.headers["etag"]}'}
    assert (await client.put(path, json={"rules": []}, headers=again)).status_code == 202
    assert (await client.get(path, headers=tenant.credential)).json() == read.json()


async def test_a_change_has_to_tell_what_it_starts_from(client: httpx.AsyncClient, pool: Pool, tenant: Tenant) -> None:
    answer = await client.put(f"{tenant.path}/alarm-rules", json={"rules": []}, headers=tenant.credential)
    assert_problem(answer, 428, "precondition-required")
    assert await asked(pool, tenant) == []


@pytest.mark.parametrize(
    "wrong",
    [
        of({}, clear=3),
        of({}, comparison="below", clear=1),
        of({}, metric="of the future"),
        of({}, name="Not A Name"),
        of({}, threshold="NaN"),
        of({}, pending_seconds=-1),
        of({}, metric="missing_reports", assistant_id="a-1"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant, wrong: dict[str, Any]
) -> None:
    answer = await client.put(f"{tenant.path}/alarm-rules", json={"rules": [wrong]}, headers=tenant.credential | ANY)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert await asked(pool, tenant) == []


async def test_two_rules_of_one_name_are_refused(client: httpx.AsyncClient, pool: Pool, tenant: Tenant) -> None:
    told = {"rules": [of({}), of({}, threshold=4)]}
    answer = await client.put(f"{tenant.path}/alarm-rules", json=told, headers=tenant.credential | ANY)
    assert answer.status_code == 422
    assert await asked(pool, tenant) == []
