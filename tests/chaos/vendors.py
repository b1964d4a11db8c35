"""What the simulated vendors were asked about calls, kept for longer than they keep it themselves."""

import re
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from serve.simulator.script import ScriptedCall
from tests.chaos.ledger import Ledger
from tests.e2e.product import Product, eventually

_KEPT = 2_000
LOOK_SECONDS = 1.0
TAKEN_OVER_SECONDS = 10.0
"""After an outage vendors are asked some forty things a second: well before they forget the first."""

WAITING = """
with processed as (
    select call_id from webhook_inbox
    where organization_id = $1::uuid and call_id = any ($2::text[])
      and provider = 'internal' and type = 'call-processed'
), metered as (
    select u.call_id from usage_ledger u left join meter_events m using (organization_id, call_id, entry)
    where u.organization_id = $1::uuid and u.call_id = any ($2::text[])
    group by u.call_id having coalesce(bool_and(m.status <> 'pending'), true)
), told as (
    select call_id from notifications
    where organization_id = $1::uuid and call_id = any ($2::text[]) and vendor_id is not null
    group by call_id having count(*) >= 2
), delivered as (
    select call_id from webhook_deliveries
    where organization_id = $1::uuid and call_id = any ($2::text[])
      and event = 'call.completed' and status = 'delivered'
)
select cardinality($2::text[]) - (select count(distinct call_id) from processed) as unprocessed,
       cardinality($2::text[]) - (select count(*) from metered) as unmetered,
       cardinality($2::text[]) - (select count(*) from told) as untold,
       cardinality($2::text[]) - (select count(distinct call_id) from delivered) as undelivered
"""
"""Of the calls $2 of an organization: how many wait for what."""


@dataclass
class Vendors:
    """Of one organization of the running stack: a metered plan, two recipients, one endpoint."""

    ledger: Ledger
    product: Product
    _heard: dict[bytes, Mapping[str, Any]] = field(default_factory=dict[bytes, Mapping[str, Any]])

    def look(self) -> None:
        """Take over what they were asked; to be done before they were asked 2,000 things more."""
        answer = self.product.http.get(
            f"{self.product.base_url}/simulator/requests",
            params={"limit": _KEPT},
            headers={"authorization": f"Bearer {self.product.api_key}"},
        )
        for request in answer.raise_for_status().json()["requests"]:
            if request["method"] == "POST":
                self._heard[orjson.dumps(request)] = request

    def waiting(self, call_ids: Collection[str]) -> Mapping[str, int]:
        """How many of the calls wait for what."""
        [row] = self.ledger.ask(WAITING, UUID(self.product.organization_id), [*call_ids])
        return dict(row)

    def settled(self, call_ids: Collection[str], *, seconds: float) -> None:
        """Every one of the calls is processed, metered, told of and delivered."""
        looked_at = time.monotonic()

        def are_done() -> bool | None:
            nonlocal looked_at
            if not any(self.waiting(call_ids).values()):
                return True
            if time.monotonic() - looked_at > TAKEN_OVER_SECONDS:
                self.look()
                looked_at = time.monotonic()
            time.sleep(LOOK_SECONDS)  # what is asked of Postgres takes from what it is asked about
            return None

        eventually(are_done, seconds=seconds, what=lambda: str(self.waiting(call_ids)))

    def assert_each_once(self, calls: Collection[ScriptedCall]) -> None:
        """One text and one email to people about each call, one quantity at Stripe, one message at the endpoint."""
        self.look()
        about = self._by_call({call.call_id for call in calls})
        for call in calls:
            asked = about.get(call.call_id, [])
            texts = [each for each in asked if each["vendor"] == "twilio"]
            emails = {each["headers"]["idempotency-key"] for each in asked if each["vendor"] == "resend"}
            counted = Counter(
                each["body"]["identifier"] for each in asked if each["vendor"] == "stripe" and each["status"] == 200
            )
            messages = {
                each["headers"]["webhook-id"]
                for each in asked
                if each["vendor"] == "receiver" and each["body"]["type"] == "call.completed"
            }
            assert (len(texts), len(emails), len(messages)) == (1, 1, 1), (call.call_id, asked)
            assert set(counted.values()) == {1}, (call.call_id, counted)

    def _by_call(self, call_ids: Collection[str]) -> Mapping[str, list[Mapping[str, Any]]]:
        named = re.compile(b"|".join(re.escape(call_id.encode()) for call_id in call_ids))
        about: dict[str, list[Mapping[str, Any]]] = {}
        for told, request in self._heard.items():
            for call_id in {found.decode() for found in named.findall(told)}:
                about.setdefault(call_id, []).append(request)
        return about
