"""An onboarding asked for by HTTP, in the product as it runs locally: taken up, carried out, seen by a page."""

from pathlib import Path
from typing import Any, Final

import httpx

from serve.stack.temporal_server import TemporalServer
from tests.fakes.processing_world import until
from tests.integration.one_process import product

PATIENCE_SECONDS: Final = 120
OVER: Final = frozenset({"completed", "failed"})


async def test_the_demo_organization_is_set_up_by_one_request(
    database_url: str, redis_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    async with (
        product(
            tmp_path, database_url=database_url, redis_url=redis_url, temporal_address=temporal_server.address
        ) as told,
        httpx.AsyncClient(base_url=str(told["base_url"]), timeout=30) as http,
    ):
        demo: Any = told
        path = f"/v1/organizations/{demo['organization_id']}"
        headers = {"authorization": f"Bearer {demo['api_key']}"}
        asked = {"area_code": "415", "test_number": "+15550177011"}
        begun = await http.post(f"{path}/onboarding", json=asked, headers=headers)
        assert begun.status_code == 202, begun.text

        async def is_over() -> bool:
            return (await http.get(f"{path}/onboarding", headers=headers)).json()["state"] in OVER

        await until(is_over, seconds=PATIENCE_SECONDS)
        shown = (await http.get(f"{path}/onboarding", headers=headers)).json()
        assert shown["state"] == "completed", shown
        assert {each["state"] for each in shown["steps"]} == {"done"}, shown
        steps = {each["step"]: each for each in shown["steps"]}
        # It was a customer before, with a subscription of its own.
        assert [steps[each]["made"] for each in ("stripe_customer", "stripe_subscription")] == [False, False]
        number = steps["phone_number_import"]["number"]
        assert number.startswith("+1415")
        numbers = (await http.get(f"{path}/phone-numbers", headers=headers)).json()["phone_numbers"]
        answering = {each["number"]: each["assistant_id"] for each in numbers}
        assistants = (await http.get(f"{path}/assistants", headers=headers)).json()["assistants"]
        [made] = [each for each in assistants if each["id"] == answering[number]]
        assert made["provider_assistant_id"] == steps["assistant"]["id"]
        call_id = steps["test_call"]["id"]
        call = (await http.get(f"{path}/calls/{call_id}", headers=headers)).json()
        assert call["call_id"] == call_id
        # Its control is guarded at VAPI now, and opens to our public key.
        command = {"action": "end", "reason": "It works."}
        ended = await http.post(f"{path}/calls/{call_id}/control", json=command, headers=headers)
        assert (ended.status_code, ended.json()["result"]) == (200, "done"), ended.text
