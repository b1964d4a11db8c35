"""What a supervisor does with a call, against the running product: place one, have something said in it, end it."""

from typing import Any
from uuid import uuid4

from tests.e2e.product import Product


def _send(product: Product, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    url = f"{product.base_url}/v1/organizations/{product.organization_id}/{path}"
    credential = {"authorization": f"Bearer {product.api_key}"}
    answer = product.http.post(url, json=body, headers={**credential, **headers})
    assert answer.is_success, answer.text
    return answer.json()


def place(product: Product) -> str:
    """Place a call, which the simulated provider conducts by itself; its id once it is talked."""
    (number,) = product.get("phone-numbers").raise_for_status().json()["phone_numbers"]
    asked = {
        "assistant_id": number["assistant_id"],
        "phone_number_id": number["id"],
        "customer": {"number": "+15550100002", "name": "Ada"},
    }
    key = {"Idempotency-Key": str(uuid4())}
    placed = _send(product, "calls", asked, **key)
    assert placed["status"] == "placed"
    call_id = placed["call_id"]
    assert _send(product, "calls", asked, **key)["call_id"] == call_id
    product.call_when(call_id, lambda call: call["status"] == "in-progress")
    return call_id


def place_speak_and_end(product: Product) -> None:
    """Fails unless each command changed the call, once, and is noted."""
    call_id = place(product)
    said = f"Please hold for case {uuid4()}."
    assert _send(product, f"calls/{call_id}/control", {"action": "say", "content": said})["result"] == "done"
    end = {"action": "end", "reason": "The test is over."}
    # What it was told to say is heard before it ends: the sentence takes its time.
    assert _send(product, f"calls/{call_id}/control", end)["result"] == "done"
    call = product.call_when(call_id, lambda call: call["status"] == "ended" and call["transcript"])
    assert call["ended_reason"] == "manually-canceled"
    assert said in call["transcript"]
    commands = [each["details"]["action"] for each in call["timeline"] if each["type"] == "call-control"]
    assert commands == ["say", "end"]
    assert _send(product, f"calls/{call_id}/control", end)["result"] == "already_ended"
    log = product.get("audit-log", target=call_id).raise_for_status().json()["entries"]
    results = [(entry["action"], entry["result"]) for entry in reversed(log)]
    assert results == [
        ("call-say", "asked"),
        ("call-say", "done: 200"),
        ("call-end", "asked"),
        ("call-end", "done: 200"),
        ("call-end", "asked"),
        ("call-end", "already_ended"),
    ]
