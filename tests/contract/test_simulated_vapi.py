"""Assistants and numbers at the simulated VAPI of the local stack: by the real client, each account its own."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from tests.fakes.simulated_vendors import (
    VAPI_KEY,
    VAPI_PUBLIC_KEY,
    SimulatedVendors,
    bearer,
    simulated_vendors,
)
from workflows.errors import AbsentError, RefusedError
from workflows.vendors.vapi_account import VapiAccount
from workflows.vendors.vapi_wiring import Wiring

NUMBER = "+15550000001"
SECRET = "secret-of-the-webhook"
TOKEN = "token-of-twilio"
WIRING = Wiring(url="https://us.example.com/webhooks/vapi/o-1", secret=SECRET, authenticates=True)
CALL = {"createdAt": "2026-11-01T10:00:00.000Z", "updatedAt": "2026-11-01T10:00:00.000Z", "status": "in-progress"}


@pytest_asyncio.fixture
async def vendors(database_url: str, redis_url: str) -> AsyncIterator[SimulatedVendors]:
    async with simulated_vendors(database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture
async def account(vendors: SimulatedVendors) -> AsyncIterator[VapiAccount]:
    async with VapiAccount(vendors.url("vapi")) as made:
        yield made


async def _assistant(account: VapiAccount, wiring: Wiring = WIRING) -> str:
    return await account.create_assistant(VAPI_KEY, name="Front desk", settings=wiring.of_assistant())


async def test_what_is_created_reads_back_is_changed_and_is_gone(account: VapiAccount) -> None:
    assistant = await _assistant(account, Wiring(url=WIRING.url, secret=SECRET))
    assert await _assistant(account) == assistant
    assert WIRING.assistant_differences(await account.read(VAPI_KEY, "assistant", assistant)) == {"monitor"}
    await account.update(VAPI_KEY, "assistant", assistant, WIRING.of_assistant())
    assert WIRING.assistant_differences(await account.read(VAPI_KEY, "assistant", assistant)) == frozenset()
    number = await account.import_twilio_number(
        VAPI_KEY, number=NUMBER, account_sid="AC" + "0" * 32, token=TOKEN, settings=WIRING.of_number()
    )
    told = await account.read(VAPI_KEY, "phone-number", number)
    assert WIRING.number_differences(told) == frozenset()
    assert TOKEN not in str(told)
    assert await account.number_known(VAPI_KEY, NUMBER) == number
    for _ in range(2):
        await account.delete(VAPI_KEY, "phone-number", number)
    assert await account.number_known(VAPI_KEY, NUMBER) is None


async def test_an_account_sees_nothing_of_another(account: VapiAccount) -> None:
    assistant = await _assistant(account)
    theirs = f"{VAPI_KEY}-of-others"
    assert await account.assistant_named(theirs, "Front desk") is None
    with pytest.raises(AbsentError):
        await account.read(theirs, "assistant", assistant)
    await account.delete(theirs, "assistant", assistant)
    assert await account.assistant_named(VAPI_KEY, "Front desk") == assistant


async def test_the_account_opens_to_private_keys_and_to_words_of_the_contract(account: VapiAccount) -> None:
    with pytest.raises(RefusedError):
        await account.assistant_named(VAPI_PUBLIC_KEY, "Front desk")
    with pytest.raises(RefusedError):
        await account.create_assistant(VAPI_KEY, name="Front desk", settings={"serverMesages": []})


async def test_who_is_asked_about_sees_it_without_secrets(account: VapiAccount, vendors: SimulatedVendors) -> None:
    await _assistant(account)
    await account.import_twilio_number(
        VAPI_KEY, number=NUMBER, account_sid="AC" + "0" * 32, token=TOKEN, settings=WIRING.of_number()
    )
    ours = [each for each in await vendors.requests(vendor="vapi") if each["method"] == "POST"]
    assert [each["path"] for each in ours] == ["/assistant", "/phone-number"]
    assert all(secret not in str(ours) for secret in (SECRET, TOKEN, VAPI_KEY))
    assert [each for each in await vendors.requests("theirs", vendor="vapi") if each["method"] == "POST"] == []


@pytest.mark.parametrize(("credential", "status"), [({}, 401), (bearer(VAPI_KEY), 401), (bearer(VAPI_PUBLIC_KEY), 200)])
async def test_a_guarded_call_takes_commands_by_the_public_key_alone(
    account: VapiAccount, vendors: SimulatedVendors, credential: dict[str, str], status: int
) -> None:
    guarded = await _assistant(account)
    for call_id, assistant in (("guarded", guarded), ("open", "another")):
        record = {**CALL, "id": call_id, "assistantId": assistant}
        told = await vendors.http.post("/simulator/calls", json={"calls": [record]}, headers=bearer("ours"))
        assert told.status_code == 200, told.text

    async def command(call_id: str, headers: dict[str, str]) -> httpx.Response:
        path = f"/simulator/vapi/call/{call_id}/control"
        return await vendors.http.post(path, json={"type": "end-call"}, headers=headers)

    assert (await command("guarded", credential)).status_code == status
    assert (await command("open", {})).status_code == 200


async def test_a_number_of_the_local_stack_is_there_as_vapi_was_told_of_it(
    vendors: SimulatedVendors, account: VapiAccount
) -> None:
    await vendors.pool.execute(
        "insert into phone_numbers (id, organization_id, number, provider_phone_number_id) values ($1, $2, $3, 'p-1')",
        uuid4(),
        UUID(vendors.ours),
        NUMBER,
    )
    ours = Wiring(url=f"{vendors.origin}/webhooks/vapi/{vendors.ours}", secret=SECRET)
    record = await account.read(VAPI_KEY, "phone-number", "p-1")
    assert (record["number"], ours.number_differences(record)) == (NUMBER, frozenset())
    await account.update(VAPI_KEY, "phone-number", "p-1", {"server": {"url": "https://elsewhere.example"}})
    assert "server_url" in ours.number_differences(await account.read(VAPI_KEY, "phone-number", "p-1"))
    with pytest.raises(AbsentError):
        await account.read(f"{VAPI_KEY}-of-others", "phone-number", "p-1")
