"""Assistants, numbers, templates, integrations, deliveries, notes: one shape for all."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from serve.services import Services
from storage.organizations import Organizations
from storage.postgres import Pool
from tests.integration.api.conftest import Tenant
from tests.integration.api.stored_calls import store_call
from tests.integration.api.test_api_access import add_key, assert_problem, bearer

Client = httpx.AsyncClient

ASSISTANT = {"name": "Front desk", "config": {"firstMessage": "Hello.", "server": {"secret": "s3cret"}}}
HOOK = {"name": "CRM", "url": "https://1.1.1.1/hook", "events": ["call.completed"]}


async def created(client: Client, tenant: Tenant, noun: str, body: Any, **headers: str) -> dict[str, Any]:
    got = await client.post(f"{tenant.path}/{noun}", json=body, headers={**tenant.credential, **headers})
    assert got.status_code == 201, got.text
    return got.json()


async def audited(client: Client, tenant: Tenant, **only: str) -> list[dict[str, Any]]:
    got = await client.get(f"{tenant.path}/audit-log", params=only, headers=tenant.credential)
    assert got.status_code == 200, got.text
    return got.json()["entries"]


async def test_an_assistant_and_its_number_reach_whoever_answers_calls(
    client: Client, pool: Pool, services: Services, tenant: Tenant
) -> None:
    assistant = await created(client, tenant, "assistants", ASSISTANT)
    assert assistant["config"] == {"firstMessage": "Hello.", "server": {"secret": "[redacted]"}}
    number = await created(
        client,
        tenant,
        "phone-numbers",
        {"number": "+15550100001", "provider_phone_number_id": "pn-1", "assistant_id": assistant["id"]},
    )
    organizations = Organizations(pool, services.sealer)
    reception = await organizations.reception(tenant.organization_id)
    await organizations.close()
    assert reception is not None
    answering = reception.assistant_for("pn-1", None)
    assert answering is not None
    assert "s3cret" in (answering.config or "")
    path = f"{tenant.path}/assistants/{assistant['id']}"
    assert (await client.get(path, headers=tenant.credential)).json()["numbers"] == ["+15550100001"]
    assert_problem(await client.delete(path, headers=tenant.credential), 409, "conflict")
    freed = await client.patch(
        f"{tenant.path}/phone-numbers/{number['id']}", json={"assistant_id": None}, headers=tenant.credential
    )
    assert freed.json()["assistant_id"] is None
    assert (await client.delete(path, headers=tenant.credential)).status_code == 204
    assert_problem(await client.get(path, headers=tenant.credential), 404, "not-found")
    given = await client.patch(
        f"{tenant.path}/phone-numbers/{number['id']}",
        json={"assistant_id": assistant["id"]},
        headers=tenant.credential,
    )
    assert_problem(given, 422, "invalid-parameter")
    actions = [entry["action"] for entry in await audited(client, tenant)]
    assert actions == ["assistant-removed", "phone-number-changed", "phone-number-created", "assistant-created"]


async def test_a_change_starts_only_from_the_state_that_was_read(client: Client, tenant: Tenant) -> None:
    assistant = await created(client, tenant, "assistants", ASSISTANT)
    path = f"{tenant.path}/assistants/{assistant['id']}"
    read = await client.get(path, headers=tenant.credential)
    match = {**tenant.credential, "If-Match": read.headers["etag"]}
    first = await client.patch(path, json={"name": "Back office"}, headers=match)
    assert first.status_code == 200
    assert first.headers["etag"] != read.headers["etag"]
    assert_problem(await client.patch(path, json={"name": "Nowhere"}, headers=match), 412, "precondition-failed")
    assert_problem(await client.delete(path, headers=match), 412, "precondition-failed")
    weak = {**tenant.credential, "If-Match": f"W/{first.headers['etag']}"}
    assert_problem(await client.patch(path, json={"name": "Nowhere"}, headers=weak), 412, "precondition-failed")
    now = await client.get(path, headers=tenant.credential)
    assert now.json()["name"] == "Back office"
    assert now.headers["etag"] == first.headers["etag"]


async def test_of_two_requests_at_once_with_one_key_one_is_made(client: Client, pool: Pool, tenant: Tenant) -> None:
    headers = {**tenant.credential, "Idempotency-Key": "once"}

    async def create() -> httpx.Response:
        return await client.post(f"{tenant.path}/integrations", json=HOOK, headers=headers)

    answers = await asyncio.gather(*(create() for _ in range(6)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {201, 409}
    assert 201 in statuses
    again = await create()
    assert again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    told = [answer.json() for answer in (*answers, again) if answer.status_code == 201]
    # The same answer each time, the secret that is shown once included.
    assert all(each == told[0] for each in told)
    assert await pool.fetchval("select count(*) from integrations") == 1
    assert len(await audited(client, tenant, action="integration-created")) == 1
    kept = await pool.fetchval("select response::text from idempotency_keys")
    assert "whsec_" not in kept
    other = await client.post(f"{tenant.path}/integrations", json={**HOOK, "name": "Other"}, headers=headers)
    assert_problem(other, 422, "invalid-parameter")
    elsewhere = await client.post(f"{tenant.path}/assistants", json=ASSISTANT, headers=headers)
    assert_problem(elsewhere, 422, "invalid-parameter")


async def test_a_key_is_its_credentials_own_and_free_after_a_day(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    key = {"Idempotency-Key": "mine"}
    first = await created(client, tenant, "assistants", ASSISTANT, **key)
    foreign = await created(client, stranger, "assistants", ASSISTANT, **key)
    assert foreign["id"] != first["id"]
    await pool.execute("update idempotency_keys set created_at = now() - interval '25 hours'")
    later = await created(client, tenant, "assistants", {**ASSISTANT, "name": "Later"}, **key)
    assert later["name"] == "Later"


async def test_a_failed_change_leaves_nothing_and_its_key_free(client: Client, pool: Pool, tenant: Tenant) -> None:
    key = {**tenant.credential, "Idempotency-Key": "again"}
    await created(client, tenant, "phone-numbers", {"number": "+15550100001"})
    taken = await client.post(f"{tenant.path}/phone-numbers", json={"number": "+15550100001"}, headers=key)
    assert_problem(taken, 409, "conflict")
    assert await pool.fetchval("select count(*) from idempotency_keys") == 0
    assert (await client.post(f"{tenant.path}/phone-numbers", json={"number": "+15550100002"}, headers=key)).is_success


@pytest.mark.parametrize(
    ("noun", "body"),
    [
        ("assistants", {"name": "x"}),
        ("assistants", {"name": "x", "config": {}, "colour": "red"}),
        ("assistants", {"name": "x", "config": {"firstMessage": "a\u0000b"}}),
        ("assistants", {"name": "x\u0000", "config": {}}),
        ("assistants", {"name": "x", "config": {"server": {"secret": "[redacted]"}}}),
        ("assistants", {"name": "x", "provider_assistant_id": "a\r\nHost: evil"}),
        ("assistants", {"name": "x", "config": {}, "concurrency_limit": 0}),
        ("assistants", {"name": "x" * 201, "config": {}}),
        ("assistants", {"name": "x", "template_id": str(uuid4())}),
        ("phone-numbers", {"number": "0555"}),
        ("phone-numbers", {"number": "+15550100001", "assistant_id": str(uuid4())}),
        ("integrations", {**HOOK, "events": []}),
        ("integrations", {**HOOK, "events": ["call.invented"]}),
        ("integrations", {**HOOK, "url": "http://1.1.1.1/hook"}),
        ("integrations", {**HOOK, "url": "https://127.0.0.1/hook"}),
        ("integrations", {**HOOK, "url": "https://169.254.169.254/latest"}),
        ("integrations", {**HOOK, "url": "https://[::ffff:10.0.0.1]/hook"}),
        ("integrations", {**HOOK, "url": "https://localhost/hook"}),
        ("integrations", {**HOOK, "url": "https://0x7f000001/hook"}),
        ("integrations", {**HOOK, "url": "https://user:pass@1.1.1.1/hook"}),
        ("integrations", {**HOOK, "url": "https://1.1.1.1:99999/hook"}),
        ("integrations", {**HOOK, "url": "file:///etc/passwd"}),
        ("integrations", {**HOOK, "url": "https://1.1.1.1/a\r\nX: y"}),
    ],
)
async def test_what_is_not_permitted_is_told_and_nothing_is_written(
    client: Client, pool: Pool, tenant: Tenant, noun: str, body: Any
) -> None:
    got = await client.post(f"{tenant.path}/{noun}", json=body, headers=tenant.credential)
    assert_problem(got, 422, "invalid-parameter")
    assert got.json()["errors"]
    assert await pool.fetchval(f"select count(*) from {noun.replace('-', '_')}") == 0  # noqa: S608


async def test_lone_surrogates_are_told(client: Client, tenant: Tenant) -> None:
    body = b'{"name": "x", "config": {"a": "\\ud800"}}'
    headers = {**tenant.credential, "Content-Type": "application/json"}
    assert_problem(
        await client.post(f"{tenant.path}/assistants", content=body, headers=headers), 422, "invalid-parameter"
    )


async def test_foreign_ids_look_like_none(client: Client, tenant: Tenant, stranger: Tenant) -> None:
    theirs = {
        "assistants": await created(client, stranger, "assistants", ASSISTANT),
        "phone-numbers": await created(client, stranger, "phone-numbers", {"number": "+15550100009"}),
        "integrations": await created(client, stranger, "integrations", HOOK),
    }
    for noun, thing in theirs.items():
        path = f"{tenant.path}/{noun}/{thing['id']}"
        for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
            told = {"number": "+15550100010"} if noun == "phone-numbers" and body else body
            got = await client.request(method, path, json=told, headers=tenant.credential)
            assert_problem(got, 404, "not-found")
        assert (await client.get(f"{tenant.path}/{noun}", headers=tenant.credential)).json()["next_cursor"] is None
    given = {"number": "+15550100011", "assistant_id": theirs["assistants"]["id"]}
    assert_problem(
        await client.post(f"{tenant.path}/phone-numbers", json=given, headers=tenant.credential),
        422,
        "invalid-parameter",
    )
    for path in ("rotate-secret", "replays"):
        body = {} if path == "rotate-secret" else {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
        got = await client.post(
            f"{tenant.path}/integrations/{theirs['integrations']['id']}/{path}", json=body, headers=tenant.credential
        )
        assert_problem(got, 404, "not-found")


async def test_pages_hold_everything_once_and_a_cursor_fits_no_other_list(
    client: Client, tenant: Tenant, stranger: Tenant
) -> None:
    for number in range(5):
        await created(client, tenant, "assistants", {**ASSISTANT, "name": f"Number {number}"})
    names: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        got = (await client.get(f"{tenant.path}/assistants", params=params, headers=tenant.credential)).json()
        names += [each["name"] for each in got["assistants"]]
        if got["next_cursor"] is None:
            break
        cursor = got["next_cursor"]
    assert names == [f"Number {number}" for number in (4, 3, 2, 1, 0)]
    assert cursor is not None
    for who, noun in ((tenant, "integrations"), (stranger, "assistants")):
        got = await client.get(f"{who.path}/{noun}", params={"cursor": cursor}, headers=who.credential)
        assert_problem(got, 400, "malformed-request")


async def test_an_assistant_is_made_from_a_template(client: Client, pool: Pool, tenant: Tenant) -> None:
    industry, template = uuid4(), uuid4()
    await pool.execute("insert into industries (id, slug, name) values ($1, $2, 'Dentists')", industry, f"i-{industry}")
    await pool.execute(
        "insert into templates (id, industry_id, slug, name, config, variables) values ($1, $2, $3, 'Desk', $4, $5)",
        template,
        industry,
        f"t-{template}",
        {"firstMessage": "{{practice}} here, {{caller}}.", "voice": {"voiceId": "{{voice}}"}},
        [{"name": "practice", "label": "Practice"}, {"name": "voice", "label": "Voice", "default": "Elliot"}],
    )
    listed = await client.get(
        f"{tenant.path}/templates", params={"industry": f"i-{industry}"}, headers=tenant.credential
    )
    assert [each["id"] for each in listed.json()["templates"]] == [str(template)]
    shown = (await client.get(f"{tenant.path}/templates/{template}", headers=tenant.credential)).json()
    assert shown["config"]["firstMessage"].startswith("{{practice}}")
    body = {"name": "Desk", "template_id": str(template)}
    for variables in ({}, {"practice": "Smile", "nobody": "x"}):
        got = await client.post(
            f"{tenant.path}/assistants", json={**body, "variables": variables}, headers=tenant.credential
        )
        assert_problem(got, 422, "invalid-parameter")
    made = await created(client, tenant, "assistants", {**body, "variables": {"practice": "Smile"}})
    assert made["config"] == {"firstMessage": "Smile here, {{caller}}.", "voice": {"voiceId": "Elliot"}}


async def test_a_secret_is_shown_once_and_two_live_while_it_rotates(
    client: Client, pool: Pool, services: Services, tenant: Tenant
) -> None:
    made = await created(client, tenant, "integrations", HOOK)
    path = f"{tenant.path}/integrations/{made['id']}"
    assert "signing_secret" not in (await client.get(path, headers=tenant.credential)).json()
    rotated = await client.post(f"{path}/rotate-secret", json={}, headers=tenant.credential)
    assert rotated.status_code == 200, rotated.text
    row = await pool.fetchrow("select * from integrations")
    assert row is not None

    def opened(sealed: bytes) -> str:
        return services.sealer.open(tenant.organization_id, sealed).decode()

    assert opened(row["sealed_secret"]) == rotated.json()["signing_secret"]
    assert opened(row["previous_sealed_secret"]) == made["signing_secret"]
    assert row["previous_secret_expires_at"] > datetime.now(UTC) + timedelta(hours=23)
    assert rotated.json()["signing_secret"] != made["signing_secret"]


async def test_an_integration_is_switched_off_and_on(client: Client, pool: Pool, tenant: Tenant) -> None:
    made = await created(client, tenant, "integrations", HOOK)
    path = f"{tenant.path}/integrations/{made['id']}"
    off = await client.patch(path, json={"enabled": False}, headers=tenant.credential)
    assert (off.json()["enabled"], off.json()["disabled_reason"]) == (False, "manual")
    await pool.execute("update integrations set failing_since = now()")
    on = await client.patch(path, json={"enabled": True, "name": "Anew"}, headers=tenant.credential)
    assert (on.json()["enabled"], on.json()["failing_since"], on.json()["name"]) == (True, None, "Anew")


async def test_how_an_integration_fares_is_told_to_its_organization(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    made = await created(client, tenant, "integrations", HOOK)

    async def told(who: Tenant) -> list[dict[str, Any]]:
        got = await client.get(f"{who.path}/integration-health", headers=who.credential)
        assert got.status_code == 200, got.text
        return got.json()["health"]

    # One that was never tried fares neither well nor badly.
    assert await told(tenant) == []
    await pool.execute(
        "insert into integration_health (integration_id, organization_id) values ($1, $2)",
        UUID(made["id"]),
        UUID(tenant.organization_id),
    )
    assert await told(tenant) == [
        {"integration_id": made["id"], "circuit": "closed", "open_until": None, "consecutive_failures": 0}
    ]
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    await pool.execute("update integration_health set open_until = $1, consecutive_failures = 12, opened = 1", until)
    (health,) = await told(tenant)
    assert (health["circuit"], health["consecutive_failures"]) == ("open", 12)
    assert datetime.fromisoformat(health["open_until"]) == until
    await pool.execute("update integration_health set probing = true")
    assert (await told(tenant))[0]["circuit"] == "probing"
    assert await told(stranger) == []
    await client.delete(f"{tenant.path}/integrations/{made['id']}", headers=tenant.credential)
    assert await told(tenant) == []


async def test_deliveries_are_listed_with_their_attempts_and_replays_wait_for_who_delivers(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    made = await created(client, tenant, "integrations", HOOK)
    ids = [uuid4() for _ in range(3)]
    now = datetime.now(UTC)
    for age, delivery_id in enumerate(ids):
        await pool.execute(
            "insert into webhook_deliveries (id, created_at, organization_id, integration_id, event, call_id, payload)"
            " values ($1, $2, $3, $4, 'call.completed', 'call-1', '{}')",
            delivery_id,
            now - timedelta(minutes=age),
            UUID(tenant.organization_id),
            UUID(made["id"]),
        )
        await pool.execute(
            "insert into webhook_delivery_attempts (delivery_id, delivery_created_at, attempt, organization_id,"
            " integration_id, attempted_at, duration_ms, response_status) values ($1, $2, 1, $3, $4, $2, 12, 500)",
            delivery_id,
            now - timedelta(minutes=age),
            UUID(tenant.organization_id),
            UUID(made["id"]),
        )
    listed = await client.get(f"{tenant.path}/deliveries", params={"limit": "2"}, headers=tenant.credential)
    assert [each["id"] for each in listed.json()["deliveries"]] == [str(each) for each in ids[:2]]
    rest = await client.get(
        f"{tenant.path}/deliveries",
        params={"limit": "2", "cursor": listed.json()["next_cursor"]},
        headers=tenant.credential,
    )
    assert [each["id"] for each in rest.json()["deliveries"]] == [str(ids[2])]
    one = (await client.get(f"{tenant.path}/deliveries/{ids[0]}", headers=tenant.credential)).json()
    assert (one["payload"], one["tried"][0]["response_status"]) == ("{}", 500)
    assert_problem(
        await client.get(f"{stranger.path}/deliveries/{ids[0]}", headers=stranger.credential), 404, "not-found"
    )
    replayed = await client.post(f"{tenant.path}/deliveries/{ids[0]}/replay", headers=tenant.credential)
    assert (replayed.status_code, replayed.json()["status"]) == (202, "pending")
    assert replayed.json()["deliveries"] is None
    span = {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat(), "status": "exhausted"}
    ranged = await client.post(f"{tenant.path}/integrations/{made['id']}/replays", json=span, headers=tenant.credential)
    assert (ranged.status_code, ranged.json()["only_status"]) == (202, "exhausted")
    replays = (await client.get(f"{tenant.path}/delivery-replays", headers=tenant.credential)).json()["replays"]
    assert [each["delivery_id"] for each in replays] == [None, str(ids[0])]
    assert_problem(
        await client.post(f"{stranger.path}/deliveries/{ids[0]}/replay", headers=stranger.credential), 404, "not-found"
    )


async def test_notes_stay_with_the_call_and_go_by_their_authors_hand_alone(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    await store_call(pool, tenant.organization_id, "some/call")
    notes = f"{tenant.path}/calls/some/call/notes"
    added = await client.post(notes, json={"text": "Caller was upset."}, headers=tenant.credential)
    assert added.status_code == 201, added.text
    listed = (await client.get(notes, headers=tenant.credential)).json()["notes"]
    assert [each["text"] for each in listed] == ["Caller was upset."]
    assert listed[0]["author"].startswith("key:")
    other = bearer(await add_key(pool, tenant, "calls:annotate"))
    assert_problem(await client.delete(f"{notes}/{added.json()['id']}", headers=other), 404, "not-found")
    foreign = f"{stranger.path}/calls/some/call/notes"
    assert_problem(await client.get(foreign, headers=stranger.credential), 404, "not-found")
    assert_problem(await client.post(foreign, json={"text": "x"}, headers=stranger.credential), 404, "not-found")
    assert_problem(await client.post(notes, json={"text": "x" * 10_001}, headers=other), 422, "invalid-parameter")
    gone = await client.delete(f"{notes}/{added.json()['id']}", headers=tenant.credential)
    assert gone.status_code == 204
    assert [each["action"] for each in await audited(client, tenant, target="some/call")] == [
        "note-removed",
        "note-added",
    ]


ASKED = {
    ("POST", "assistants"): "assistants:write",
    ("GET", "assistants"): "assistants:read",
    ("POST", "integrations"): "integrations:write",
    ("POST", "phone-numbers"): "phone-numbers:write",
    ("GET", "audit-log"): "audit:read",
    ("POST", "calls/some/call/notes"): "calls:annotate",
    ("POST", f"deliveries/{uuid4()}/replay"): "deliveries:replay",
}


async def test_each_asks_for_its_scope(client: Client, pool: Pool, tenant: Tenant) -> None:
    narrow = bearer(await add_key(pool, tenant, "calls:read"))
    for (method, path), lacking in ASKED.items():
        got = await client.request(method, f"{tenant.path}/{path}", json={}, headers=narrow)
        assert_problem(got, 403, "forbidden")
        assert lacking in got.json()["detail"]


async def test_a_new_limit_of_an_assistant_is_told_to_the_owner(client: Client, pool: Pool, tenant: Tenant) -> None:
    made = await created(client, tenant, "assistants", ASSISTANT)
    told = "select count(*) from webhook_inbox where type = 'organization-configured'"
    assert await pool.fetchval(told) == 0
    path = f"{tenant.path}/assistants/{made['id']}"
    await client.patch(path, json={"name": "Renamed"}, headers=tenant.credential)
    assert await pool.fetchval(told) == 0
    await client.patch(path, json={"concurrency_limit": 3}, headers=tenant.credential)
    assert await pool.fetchval(told) == 1
