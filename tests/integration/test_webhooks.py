"""Promise P1 and the door's manners, on a real Postgres."""

import asyncio
import traceback
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from actors.domain.commands import Hear, InboxRow
from serve.webhooks.ingress import MAX_BODY_BYTES
from tests.integration.webhook_door import Door, message, open_door, payload, until
from workflows.vendors.vapi_values import MAX_DEPTH


@pytest_asyncio.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with open_door(database_url) as opened:
        yield opened


async def test_a_lifecycle_message_is_committed_when_it_is_acknowledged(door: Door) -> None:
    organization_id = await door.add_organization()
    for name in ("status-update-in-progress", "hang", "status-update-ended", "end-of-call-report"):
        response = await door.post(organization_id, payload(name))
        assert (response.status_code, response.content) == (200, b"{}")
    rows = await door.rows(organization_id)
    assert [row["type"] for row in rows] == ["status-update", "hang", "status-update", "end-of-call-report"]
    assert all(row["body"] for row in rows)
    handed = [delivery.item for delivery in door.queue.deliveries]
    assert [item.type for item in handed if isinstance(item, InboxRow)] == [row["type"] for row in rows]
    report = rows[-1]["facts"]
    assert report["fields"]["duration_ms"] == 90_841
    assert report["fields"]["cost_micros"] == 224_100


async def test_secrets_are_never_stored(door: Door) -> None:
    organization_id = await door.add_organization()
    await door.post(organization_id, payload("end-of-call-report"))
    (row,) = await door.rows(organization_id)
    assert "[redacted]" in row["body"]
    for secret in ("planted-", "/control", "/listen"):
        assert secret not in row["body"]


async def test_a_fault_of_ours_is_logged_without_the_callers_words(door: Door) -> None:
    organization_id = await door.add_organization()
    await door.database.execute("alter table webhook_bodies add check (length(packed) < 0)")
    with capture_logs() as logs:
        response = await door.post(organization_id, payload("end-of-call-report"))
    assert response.status_code == 500
    logged = "".join(line for log in logs for line in traceback.format_exception(log["exc_info"]))
    assert "RowRefusedError" in logged
    assert "CheckViolationError" in logged
    for words in ("planted-", "+1555", "the caller", "detail:"):
        assert words not in logged.lower()
        assert words not in response.text.lower()
    assert await door.rows(organization_id) == []


async def test_a_duplicate_is_counted_and_handed_over_once(door: Door) -> None:
    organization_id = await door.add_organization()
    body = payload("status-update-ended")
    responses = await asyncio.gather(*(door.post(organization_id, body) for _ in range(10)))
    assert {response.status_code for response in responses} == {200}
    (row,) = await door.rows(organization_id)
    assert row["deliveries"] == 10
    assert len(door.queue.deliveries) == 1
    assert door.ingress.figures()["duplicates"] == 9


async def test_a_report_sent_again_with_other_urls_is_a_duplicate_and_a_correction_is_not(door: Door) -> None:
    organization_id = await door.add_organization()
    body = payload("end-of-call-report")
    await door.post(organization_id, body)
    body["message"]["artifact"]["presignedMonoUrl"] = "https://example.com/other?signature=2"
    await door.post(organization_id, body)
    body["message"]["analysis"]["summary"] = "Corrected."
    await door.post(organization_id, body)
    assert [row["deliveries"] for row in await door.rows(organization_id)] == [2, 1]


async def test_one_call_id_under_two_organizations_is_two_calls(door: Door) -> None:
    first, second = await door.add_organization(), await door.add_organization()
    body = message("status-update", status="ended")
    await asyncio.gather(door.post(first, body), door.post(second, body))
    for organization_id in (first, second):
        assert [row["deliveries"] for row in await door.rows(organization_id)] == [1]


async def test_chatter_stores_the_first_sign_of_its_call_and_nothing_more(door: Door) -> None:
    organization_id = await door.add_organization()
    for _ in range(3):
        assert (await door.post(organization_id, payload("transcript-final"))).status_code == 200
    (row,) = await door.rows(organization_id)
    assert (row["type"], row["deliveries"], row["body"]) == ("call-seen", 1, None)
    heard = [delivery.item for delivery in door.queue.deliveries if isinstance(delivery.item, Hear)]
    assert len(heard) == 3
    assert heard[0].utterance is not None
    assert door.ingress.figures()["duplicates"] == 0


async def test_the_first_sign_seen_by_two_replicas_is_no_duplicate(door: Door, database_url: str) -> None:
    organization_id = await door.add_organization()
    async with open_door(database_url) as other:
        for each in (door, other):
            await each.post(organization_id, payload("speech-update-stopped"))
        assert other.ingress.figures()["duplicates"] == 0
    assert [row["deliveries"] for row in await door.rows(organization_id)] == [1]


async def test_chatter_of_a_stored_call_needs_no_postgres(door: Door) -> None:
    organization_id = await door.add_organization()
    await door.post(organization_id, message("status-update", status="in-progress"))
    await door.post(organization_id, message("transcript", role="user", transcriptType="final", transcript="Hello."))
    assert [row["type"] for row in await door.rows(organization_id)] == ["status-update"]


async def test_an_unknown_type_is_stored_and_counted(door: Door) -> None:
    organization_id = await door.add_organization()
    response = await door.post(organization_id, message("from.the.future", novelty={"a": 1}))
    assert (response.status_code, response.content) == (200, b"{}")
    assert [row["type"] for row in await door.rows(organization_id)] == ["from.the.future"]
    assert door.ingress.figures()["unknown_types"] == 1


async def test_refusals_are_the_same_bytes_and_leave_nothing(door: Door) -> None:
    organization_id = await door.add_organization()
    without_secret = await door.add_organization(secrets=())
    body = message("status-update", status="ended")
    refusals = [
        await door.post(organization_id, body, secret="wrong"),
        await door.post(organization_id, body, secret=None),
        await door.post(without_secret, body),
        await door.post(without_secret, body, secret=""),
        await door.post("00000000-0000-4000-8000-000000000000", body),
        await door.post("no-uuid", b"not json"),
        await door.post(organization_id, b"not json", secret="wrong"),
    ]
    assert {response.status_code for response in refusals} == {401}
    assert len({(response.content, tuple(response.headers.items())) for response in refusals}) == 1
    assert await door.database.fetchval("select count(*) from webhook_inbox") == 0
    assert not door.queue.deliveries


async def test_what_an_organization_was_refused_is_counted(door: Door) -> None:
    organization_id, other = await door.add_organization(), await door.add_organization()
    body = message("status-update", status="ended")
    for secret in ("wrong", None, "wrong"):
        await door.post(organization_id, body, secret=secret)
    await door.post(other, body)
    await door.post("00000000-0000-4000-8000-000000000000", body)
    await door.ingress.shutdown()
    counted = await door.database.fetch("select organization_id, count from webhook_refusals")
    assert [(str(row["organization_id"]), row["count"]) for row in counted] == [(organization_id, 3)]


async def test_either_of_two_live_secrets_is_good_and_a_third_is_not(door: Door) -> None:
    organization_id = await door.add_organization(secrets=("oldest", "old", "new"))
    body = message("status-update", status="ended")
    statuses = [(await door.post(organization_id, body, secret=each)).status_code for each in ("oldest", "old", "new")]
    assert statuses == [401, 200, 200]


async def test_a_secret_of_one_organization_opens_no_other(door: Door) -> None:
    await door.add_organization(secrets=("theirs",))
    organization_id = await door.add_organization(secrets=("ours",))
    assert (await door.post(organization_id, message("hang"), secret="theirs")).status_code == 401


async def test_malformed_bodies_are_named_problems(door: Door) -> None:
    organization_id = await door.add_organization()
    bodies: list[bytes] = [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        b'{"message":3}',
        b'{"message":{}}',
        b'{"message":{"type":7}}',
        b'{"type":"hang","call":{"id":"a"}}',
        b'{"message":{"type":"hang","call":[]}}',
        b'{"message":{"type":"hang","call":{"id":7}}}',
        b'{"message":{"type":"hang","call":{"id":"' + b"x" * 201 + b'"}}}',
        b'{"message":{"type":"hang","call":{"id":"a\\u0000b"}}}',
        b'{"message":{"type":"hang","call":{"id":"a\\ud800"}}}',
        b'{"message":{"type":"ha\\u0000ng"}}',
        b'{"message":{"type":"status-update","status":[],"call":{"id":"a"}}}',
        b'{"message":{"type":"hang","text":"\xff"}}',
        b"[" * 100_000,
        b'{"message":{"type":"hang","deep":' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
        b'{"message":{"type":"hang","deep":' + b"[" * 900 + b"]" * 900 + b"}}",
        b'{"message":{"type":"session.created","deep":' + b"[" * 240 + b"]" * 240 + b"}}",
    ]
    for body in bodies:
        response = await door.post(organization_id, body)
        assert response.status_code == 400, body[:60]
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "urn:call-supervisor:problem:malformed-request"
        assert response.json()["detail"]
    assert await door.rows(organization_id) == []


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1, 254, 255, 1_024, 1_025, 100_000])
async def test_a_body_is_taken_up_to_its_last_level_and_the_answer_names_the_fault(door: Door, levels: int) -> None:
    organization_id = await door.add_organization()
    within = levels - 2
    response = await door.post(
        organization_id, b'{"message":{"type":"hang","deep":' + b"[" * within + b"]" * within + b"}}"
    )
    if levels <= MAX_DEPTH:
        assert response.status_code == 200
        assert len(await door.rows(organization_id)) == 1
    else:
        assert response.status_code == 400
        assert response.json()["detail"] == f"the body is nested deeper than {MAX_DEPTH} levels."


async def test_characters_postgres_cannot_hold_are_replaced_and_counted(door: Door) -> None:
    organization_id = await door.add_organization()
    summary = b'"a\\u0000b\\ud800c\\\\u0000"'
    body = b'{"message":{"type":"end-of-call-report","analysis":{"summary":%b},"call":{"id":"a"}}}' % summary
    assert (await door.post(organization_id, body)).status_code == 200
    (row,) = await door.rows(organization_id)
    assert row["facts"]["fields"]["summary"] == "a\ufffdb\ufffdc\\u0000"
    assert door.ingress.figures()["replaced_characters"] == 2


async def test_a_body_told_too_large_is_refused_unread(door: Door) -> None:
    organization_id = await door.add_organization()
    status = await _raw_post(
        door, organization_id, headers=[(b"content-length", str(MAX_BODY_BYTES + 1).encode())], chunks=[]
    )
    assert status == 413


async def test_a_body_found_too_large_is_refused_before_its_end(door: Door) -> None:
    organization_id = await door.add_organization()
    chunk = b"x" * 1_000_000
    status = await _raw_post(door, organization_id, headers=[], chunks=[chunk] * 6)
    assert status == 413


async def _raw_post(
    door: Door, organization_id: str, *, headers: list[tuple[bytes, bytes]], chunks: list[bytes]
) -> int:
    """Speak ASGI itself: asking for more than `chunks` fails, until it is answered."""
    waiting = iter(chunks)
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        if sent:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": next(waiting), "more_body": True}

    async def send(event: MutableMapping[str, Any]) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "POST", "path": f"/webhooks/vapi/{organization_id}", "headers": headers}
    await door.ingress(scope, receive, send)
    return int(sent[0]["status"])


async def test_other_methods_and_paths_are_problems(door: Door) -> None:
    organization_id = await door.add_organization()
    wrong_method = await door.http.get(f"/webhooks/vapi/{organization_id}")
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")
    for path in ("/webhooks", "/webhooks/vapi", "/webhooks/vapi/", f"/webhooks/vapi/{organization_id}/more", "/other"):
        assert (await door.http.post(path)).status_code == 404


async def test_an_insert_outlives_the_client_that_leaves(door: Door) -> None:
    organization_id = await door.add_organization()
    await door.post(organization_id, message("hang", timestamp=1_787_220_000_001))
    async with door.database.acquire() as connection, connection.transaction():
        # The insert waits for this lock; the client does not.
        await connection.execute("lock table webhook_inbox in share mode")
        request = asyncio.create_task(door.post(organization_id, message("status-update", status="ended")))
        await until(lambda: door.database.fetchval("select count(*) > 0 from pg_locks where not granted"))
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    await until(door.queue.holds(2))
    assert [row["type"] for row in await door.rows(organization_id)] == ["hang", "status-update"]


async def test_a_full_queue_costs_the_hint_and_not_the_acknowledgement(door: Door) -> None:
    organization_id = await door.add_organization()
    door.queue.room = 0
    assert (await door.post(organization_id, message("hang"))).status_code == 200
    assert door.ingress.figures()["dropped_hints"] == 1
    assert len(await door.rows(organization_id)) == 1


async def test_a_flat_call_end_is_a_report(door: Door) -> None:
    organization_id = await door.add_organization()
    call = {"id": "call-1", "duration": 61, "endedReason": "customer-ended-call", "cost": 0.5, "summary": "Short."}
    assert (await door.post(organization_id, {"type": "call-end", "call": call})).status_code == 200
    (row,) = await door.rows(organization_id)
    facts = row["facts"]
    assert (row["type"], facts["status"]) == ("call-end", "ended")
    assert facts["fields"] | {"duration_ms": 61_000, "cost_micros": 500_000, "summary": "Short."} == facts["fields"]
