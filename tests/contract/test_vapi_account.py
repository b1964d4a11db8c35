"""Assistants and numbers at a VAPI that refuses what is not in its contract."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from actors.domain.json_types import JSON
from tests.fakes.vapi_account_server import KEY, VapiAccountServer, running_vapi_account
from workflows.errors import AbsentError, AmbiguousError, ProviderUnavailableError, RefusedError
from workflows.vendors.vapi_account import VapiAccount
from workflows.vendors.vapi_wiring import Wiring

NUMBER = "+15550000001"
WIRING = Wiring(url="https://us.example.com/webhooks/vapi/o-1", secret="s" * 32, authenticates=True)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[VapiAccountServer]:
    async with running_vapi_account() as running:
        yield running


@pytest_asyncio.fixture
async def account(server: VapiAccountServer) -> AsyncIterator[VapiAccount]:
    async with VapiAccount(server.base_url) as made:
        yield made


async def _assistant(account: VapiAccount, name: str = "reception") -> str:
    return await account.create_assistant(KEY, name=name, settings=WIRING.of_assistant())


async def _number(account: VapiAccount, assistant_id: str | None = None) -> str:
    settings: dict[str, JSON] = WIRING.of_number() | ({"assistantId": assistant_id} if assistant_id else {})
    return await account.import_twilio_number(
        KEY, number=NUMBER, account_sid="AC" + "0" * 32, token="t" * 32, settings=settings
    )


async def test_what_was_created_reads_back_as_ours(account: VapiAccount) -> None:
    assistant = await _assistant(account)
    number = await _number(account, assistant)
    assert WIRING.assistant_differences(await account.read(KEY, "assistant", assistant)) == frozenset()
    told = await account.read(KEY, "phone-number", number)
    assert WIRING.number_differences(told) == frozenset()
    assert told["assistantId"] == assistant


async def test_the_second_time_finds_the_first(account: VapiAccount, server: VapiAccountServer) -> None:
    assert await _assistant(account) == await _assistant(account)
    assert await _number(account) == await _number(account)
    assert await _assistant(account, "another") != await _assistant(account)
    assert [len(held) for held in server.records.values()] == [2, 1]


async def test_a_lost_answer_doubles_nothing(account: VapiAccount, server: VapiAccountServer) -> None:
    server.lost = 2
    with pytest.raises(AmbiguousError):
        await _assistant(account)
    with pytest.raises(AmbiguousError):
        await _number(account)
    await _assistant(account)
    await _number(account)
    assert [len(held) for held in server.records.values()] == [1, 1]


async def test_a_list_too_long_to_see_the_end_of_creates_nothing(
    account: VapiAccount, server: VapiAccountServer
) -> None:
    server.records["assistant"] = {str(each): {"id": str(each), "name": str(each)} for each in range(1_000)}
    with pytest.raises(RefusedError):
        await _assistant(account)
    assert len(server.records["assistant"]) == 1_000
    assert await _assistant(account, "7") == "7"


async def test_what_drifted_is_repaired_and_the_rest_stays(account: VapiAccount, server: VapiAccountServer) -> None:
    assistant = await _assistant(account)
    record = server.records["assistant"][assistant]
    record["server"] = {"url": "https://elsewhere.example.com"}
    record["serverMessages"] = ["hang"]
    record["firstMessage"] = "Hello"
    found = WIRING.assistant_differences(await account.read(KEY, "assistant", assistant))
    assert found == {"server_url", "secret", "backoff_plan", "server_messages"}
    await account.update(KEY, "assistant", assistant, WIRING.of_assistant())
    repaired = await account.read(KEY, "assistant", assistant)
    assert WIRING.assistant_differences(repaired) == frozenset()
    assert repaired["firstMessage"] == "Hello"


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(
    account: VapiAccount, server: VapiAccountServer
) -> None:
    assistant, number = await _assistant(account), await _number(account)
    for _ in range(2):
        await account.delete(KEY, "assistant", assistant)
        await account.delete(KEY, "phone-number", number)
    assert [len(held) for held in server.records.values()] == [0, 0]
    with pytest.raises(AbsentError):
        await account.read(KEY, "assistant", assistant)
    with pytest.raises(AbsentError):
        await account.update(KEY, "assistant", assistant, WIRING.of_assistant())


async def test_a_wrong_key_and_a_word_outside_the_contract_are_refused(account: VapiAccount) -> None:
    with pytest.raises(RefusedError):
        await account.create_assistant("another-key", name="reception", settings={})
    with pytest.raises(RefusedError):
        await account.create_assistant(KEY, name="reception", settings={"serverMesages": []})


@pytest.mark.parametrize("record_id", ["..", ".", "../call", "a/../../call"])
async def test_an_id_cannot_climb_out_of_its_path(
    account: VapiAccount, server: VapiAccountServer, record_id: str
) -> None:
    kept = await _assistant(account)
    with pytest.raises(AbsentError):
        await account.read(KEY, "assistant", record_id)
    await account.delete(KEY, "assistant", record_id)
    assert kept in server.records["assistant"]


async def test_a_vapi_that_is_away_is_unavailable() -> None:
    async with VapiAccount("http://127.0.0.1:1") as account:
        with pytest.raises(ProviderUnavailableError):
            await account.read(KEY, "assistant", "a-1")
