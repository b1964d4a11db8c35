"""At the limit, as VAPI and an operator see it: who is refused, who holds the slot, and what frees it."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.product import Product, eventually

SENTENCE = "Sorry, we cannot take your call right now. Please call again later. Goodbye."
"""What an organization's callers hear that has no sentence of its own."""


class Desk:
    """The demo organization with one slot, and callers at its number."""

    def __init__(self, product: Product) -> None:
        self.product = product
        (number,) = product.get("phone-numbers").raise_for_status().json()["phone_numbers"]
        self._number: str = number["number"]

    def ask(self, call_id: str) -> dict[str, Any]:
        """What VAPI is answered when somebody calls."""
        return self._tell(call_id, "assistant-request", phoneNumber={"number": self._number})

    def tell(self, call_id: str, status: str) -> None:
        self._tell(call_id, "status-update", status=status, endedReason="customer-ended-call")

    def ledger(self) -> dict[str, Any]:
        return self.product.get("slots").raise_for_status().json()

    def held(self) -> list[str]:
        return [slot["call_id"] for slot in self.ledger()["slots"]]

    def until_held(self, *call_ids: str) -> None:
        eventually(
            lambda: True if self.held() == [*call_ids] else None, seconds=10, what=lambda: f"slots {self.ledger()}"
        )

    def configure(self, **members: object) -> None:
        """Change settings, and wait until the owner decides by them."""
        self.product.patch("settings", members).raise_for_status()
        limit = members["concurrency_limit"]
        eventually(
            lambda: True if self.ledger()["limit"] == limit else None, seconds=10, what=lambda: str(self.ledger())
        )

    def release(self, call_id: str) -> dict[str, Any]:
        answer = self.product.act(f"slots/{call_id}/release", {"reason": "Gone, as its caller says."})
        return answer.raise_for_status().json()

    def _tell(self, call_id: str, kind: str, **told: object) -> dict[str, Any]:
        call = {"id": call_id, "type": "inboundPhoneCall"}
        message = {"type": kind, "timestamp": time.time_ns() // 1_000_000, "call": call, **told}
        return self.product.post({"message": message}).raise_for_status().json()


@pytest.fixture
def desk(product: Product) -> Iterator[Desk]:
    desk = Desk(product)
    before = product.get("settings").raise_for_status().json()
    for call_id in desk.held():  # of calls that other tests left
        desk.release(call_id)
    desk.until_held()
    desk.configure(concurrency_limit=1, refusal_message=None, refusal_destination=None)
    yield desk
    for call_id in desk.held():
        desk.tell(call_id, "ended")
    desk.configure(**{name: before[name] for name in ("concurrency_limit", "refusal_message", "refusal_destination")})


def callers(count: int) -> list[str]:
    return [f"caller-{uuid4()}" for _ in range(count)]


def test_at_the_limit_a_call_is_refused_until_another_ends(desk: Desk) -> None:
    first, second, third = callers(3)
    assert "error" not in desk.ask(first)
    (slot,) = desk.ledger()["slots"]
    assert (slot["call_id"], slot["state"], slot["admission"]) == (first, "reserved", "accepted")
    assert desk.ask(second) == {"error": SENTENCE}
    desk.tell(first, "in-progress")
    eventually(
        lambda: next((slot for slot in desk.ledger()["slots"] if slot["state"] == "live"), None),
        seconds=10,
        what=lambda: str(desk.ledger()),
    )
    assert desk.held() == [first]
    desk.tell(first, "ended")
    desk.until_held()
    assert "error" not in desk.ask(third)
    assert desk.held() == [third]
    refused = desk.product.call_when(second, lambda call: call["admission"])
    assert refused["admission"] == "refused:concurrency"


def test_a_released_slot_admits_the_next(desk: Desk) -> None:
    gone, waiting = callers(2)
    desk.ask(gone)
    desk.tell(gone, "in-progress")
    desk.until_held(gone)
    assert desk.ask(waiting) == {"error": SENTENCE}
    assert desk.release(gone) == {"call_id": gone, "result": "released"}
    desk.until_held()
    assert [slot["call_id"] for slot in desk.ledger()["released"]] == [gone]
    (admitted,) = callers(1)
    assert "error" not in desk.ask(admitted)
    assert desk.held() == [admitted]
    desk.tell(gone, "ended")
