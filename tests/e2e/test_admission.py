"""At the limit, as VAPI and an operator see it: who is refused, who holds the slot, and what frees it."""

import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from actors.domain.admission import UNCHECKED
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
        eventually(lambda: True if self.held() == [*call_ids] else None, what=lambda: f"slots {self.ledger()}")

    def decided(self) -> tuple[str, dict[str, Any]]:
        """A new caller whom the owner decides of, and what VAPI is answered.

        Whom nobody decides of within the second is let in, as is promised; that one hangs up, and the next calls.
        """

        def asked() -> tuple[str, dict[str, Any]] | None:
            call_id = f"caller-{uuid4()}"
            answer = self.ask(call_id)
            if self.product.call_when(call_id, lambda call: call["admission"])["admission"] != UNCHECKED:
                return call_id, answer
            assert "error" not in answer, "nobody refuses unchecked"
            self.tell(call_id, "ended")
            eventually(lambda: True if call_id not in self.held() else None, what=lambda: str(self.ledger()))
            return None

        return eventually(asked, what=lambda: "nobody decides")

    def admitted(self) -> str:
        """A new caller, who is let in and holds the slot."""
        call_id, answer = self.decided()
        assert "error" not in answer
        self.until_held(call_id)
        return call_id

    def refused(self) -> str:
        """A new caller, who is told so."""
        call_id, answer = self.decided()
        assert answer == {"error": SENTENCE}
        return call_id

    def configure(self, **members: object) -> None:
        """Change settings, and wait until the owner decides by them."""
        self.product.patch("settings", members).raise_for_status()
        limit = members["concurrency_limit"]
        eventually(lambda: True if self.ledger()["limit"] == limit else None, what=lambda: str(self.ledger()))

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


def test_at_the_limit_a_call_is_refused_until_another_ends(desk: Desk) -> None:
    first = desk.admitted()
    (slot,) = desk.ledger()["slots"]
    assert (slot["call_id"], slot["state"], slot["admission"]) == (first, "reserved", "accepted")
    second = desk.refused()

    desk.tell(first, "in-progress")
    eventually(
        lambda: next((slot for slot in desk.ledger()["slots"] if slot["state"] == "live"), None),
        what=lambda: str(desk.ledger()),
    )
    assert desk.held() == [first]

    desk.tell(first, "ended")
    desk.until_held()
    desk.admitted()
    refused = desk.product.call_when(second, lambda call: call["admission"])
    assert refused["admission"] == "refused:concurrency"


def test_a_released_slot_admits_the_next(desk: Desk) -> None:
    gone = desk.admitted()
    desk.tell(gone, "in-progress")
    desk.until_held(gone)
    desk.refused()

    assert desk.release(gone) == {"call_id": gone, "result": "released"}
    desk.until_held()
    assert [slot["call_id"] for slot in desk.ledger()["released"]] == [gone]
    desk.admitted()
    desk.tell(gone, "ended")
