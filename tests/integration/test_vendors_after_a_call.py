"""What a call sets off at the vendors, in the product as it runs locally: each thing once, for its own organization."""

import asyncio
import base64
import hmac
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import orjson

from serve.stack.temporal_server import TemporalServer
from tests.integration.one_process import product

PATIENCE_SECONDS = 120
EXPECTED = Counter({"stripe": 1, "twilio": 1, "resend": 1, "receiver": 1})


async def requests_of(http: httpx.AsyncClient, told: Any, call_id: str) -> dict[str, dict[str, Any]]:
    """What the vendors were asked to do about a call, once each vendor was asked."""
    headers = {"authorization": f"Bearer {told['api_key']}"}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await http.get("/simulator/requests", params={"limit": 2000}, headers=headers)
            posts = [each for each in answer.json()["requests"] if each["method"] == "POST" and call_id in str(each)]
            if Counter(each["vendor"] for each in posts) >= EXPECTED:
                assert Counter(each["vendor"] for each in posts) == EXPECTED
                return {each["vendor"]: each for each in posts}
            await asyncio.sleep(0.2)


async def test_a_call_is_metered_told_of_and_delivered(
    database_url: str, redis_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    async with (
        product(
            tmp_path, database_url=database_url, redis_url=redis_url, temporal_address=temporal_server.address
        ) as told,
        httpx.AsyncClient(base_url=str(told["base_url"]), timeout=30) as http,
    ):
        demo: Any = told
        call_id = str(uuid4())
        report: dict[str, Any] = {
            "type": "end-of-call-report",
            "endedReason": "customer-ended-call",
            "startedAt": "2026-11-27T10:00:00.000Z",
            "endedAt": "2026-11-27T10:01:10.400Z",
            "durationSeconds": 70.4,
            "call": {"id": call_id, "type": "inboundPhoneCall"},
            "artifact": {"transcript": "AI: Hello.\nUser: Goodbye.\n", "messages": []},
        }
        url = f"/webhooks/vapi/{demo['organization_id']}"
        for _ in range(3):
            posted = await http.post(url, json={"message": report}, headers={"x-vapi-secret": demo["vapi_secret"]})
            assert posted.status_code == 200
        found = await requests_of(http, demo, call_id)

        meter = found["stripe"]["body"]
        assert meter["identifier"] == f"call:{demo['organization_id']}:{call_id}"
        assert (meter["payload[stripe_customer_id]"], meter["payload[value]"]) == ("cus_simulated_demo", "71")
        assert found["twilio"]["body"]["To"] == "+15550300010"
        assert call_id in found["twilio"]["body"]["Body"]
        assert found["resend"]["body"]["to"] == ["team@demo.example"]
        delivery = found["receiver"]
        headers = delivery["headers"]
        key = base64.b64decode(demo["integration_secret"].removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + orjson.dumps(delivery["body"])
        signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        assert headers["webhook-signature"].split() == [f"v1,{signature}"]
        assert delivery["status"] == 200

        other: Any = demo["other"]
        answer = await http.get("/simulator/requests", headers={"authorization": f"Bearer {other['api_key']}"})
        assert call_id not in answer.text
