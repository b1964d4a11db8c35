"""The main job, as VAPI and a supervisor see it: webhooks in, a live board, the finished call in full."""

import random

import httpx
import pytest

from serve.simulator.bodies import body_of
from serve.simulator.script import expected
from tests.e2e.product import Product, eventually
from tests.e2e.scripts import LIFECYCLE, a_call, bodies, record


def test_a_finished_call_is_found_in_full(product: Product) -> None:
    call = a_call(product, 101)
    for body in bodies(call):
        assert product.post(body).status_code == httpx.codes.OK
    truth = expected(call)
    found = product.call_when(call.call_id, lambda each: each["processed_at"] and each["recording"])
    assert found["status"] == "ended"
    assert found["ended_reason"] == truth.ended_reason
    assert found["duration_seconds"] == (truth.duration_ms or 0) / 1000
    assert found["cost_usd"] == pytest.approx((truth.cost_micros or 0) / 1_000_000, abs=1e-9)
    assert found["transcript"] == truth.transcript
    assert found["report"] == "received"
    recording = product.http.get(
        f"{product.base_url}{found['recording']['url']}", headers={"authorization": f"Bearer {product.api_key}"}
    )
    assert recording.content[:4] == b"RIFF"
    assert len(recording.content) == found["recording"]["bytes"]


def test_any_order_and_twice_gives_the_same_call(product: Product) -> None:
    call = a_call(product, 102)
    straight = bodies(call, chatter=False)
    for body in straight:
        product.post(body).raise_for_status()
    first = record(product.call_when(call.call_id, lambda each: each["processed_at"]))
    doubled = [*straight, *bodies(call, chatter=False, delivery=1)]
    random.Random(7).shuffle(doubled)
    other_call = a_call(product, 103)
    shuffled = [*bodies(other_call, chatter=False), *bodies(other_call, chatter=False, delivery=1)]
    random.Random(8).shuffle(shuffled)
    for body in (*doubled, *shuffled):
        product.post(body).raise_for_status()
    assert record(product.call_when(call.call_id, lambda each: each["processed_at"])) == first
    truth = expected(other_call)
    found = product.call_when(other_call.call_id, lambda each: each["processed_at"])
    assert (found["status"], found["ended_reason"], found["transcript"]) == (
        "ended",
        truth.ended_reason,
        truth.transcript,
    )
    assert {entry["deliveries"] for entry in found["timeline"] if entry["provider"] == "vapi"} == {2}


def test_a_report_without_a_start_makes_a_complete_call(product: Product) -> None:
    call = a_call(product, 104)
    product.post(bodies(call)[-1]).raise_for_status()
    found = product.call_when(call.call_id, lambda each: each["processed_at"])
    assert (found["status"], found["transcript"]) == ("ended", expected(call).transcript)


def test_a_live_call_is_on_the_board_until_it_ends(product: Product) -> None:
    call = a_call(product, 105)
    messages = [each for each in call.messages if each.type in LIFECYCLE]
    product.post(body_of(call, messages[0])).raise_for_status()

    def active() -> set[str]:
        return {each["call_id"] for each in product.get("calls/active", limit=500).raise_for_status().json()["calls"]}

    eventually(lambda: True if call.call_id in active() else None, what=lambda: str(active()))
    for message in messages[1:]:
        product.post(body_of(call, message)).raise_for_status()
    eventually(lambda: True if call.call_id not in active() else None, what=lambda: str(active()))


def test_the_same_call_id_belongs_to_each_organization_alone(product: Product, other: Product) -> None:
    call = a_call(product, 106)
    for body in bodies(call, chatter=False):
        product.post(body).raise_for_status()
    mine = record(product.call_when(call.call_id, lambda each: each["processed_at"]))
    assert other.call(call.call_id) is None
    other.post(bodies(call, chatter=False)[0]).raise_for_status()
    theirs = other.call_when(call.call_id, lambda _: True)
    assert theirs["status"] != "ended"
    assert record(product.call_when(call.call_id, lambda _: True)) == mine


def test_wrong_secrets_and_unknown_organizations_are_told_the_same(product: Product) -> None:
    call = a_call(product, 107)
    body = bodies(call)[0]
    unknown = f"{product.base_url}/webhooks/vapi/0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f9999"
    answers = [
        product.post(body, secret="not-the-secret"),
        product.http.post(unknown, content=body, headers={"x-vapi-secret": product.vapi_secret}),
        product.http.post(f"{product.base_url}/webhooks/vapi/{product.organization_id}", content=body),
    ]
    assert {answer.status_code for answer in answers} == {httpx.codes.UNAUTHORIZED}
    assert len({answer.content for answer in answers}) == 1
    assert product.call(call.call_id) is None


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b"[]", b'{"message": 3}', b'{"message": {}}', b"[" * 100_000, b'{"message":{"type":"hang"}}\xff'],
    ids=["cut", "empty", "list", "number", "no-type", "deep", "encoding"],
)
def test_malformed_bodies_are_refused_by_name(product: Product, body: bytes) -> None:
    answer = product.post(body)
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["detail"]


def test_a_body_over_five_megabytes_is_too_large(product: Product) -> None:
    answer = product.post(b'{"message":{"type":"hang","padding":"' + b"x" * 5_300_000 + b'"}}')
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
