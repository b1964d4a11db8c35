"""Nothing of a call stands in Temporal but the ids of workflows, whatever is put into a history."""

import base64
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from serve.stack.temporal_server import TemporalServer
from tests.fakes.processing_world import (
    CALL,
    PLANTED_NUMBER,
    PLANTED_WORDS,
    ProcessingWorld,
    processing_world,
)
from tests.fakes.vapi_server import running_vapi
from workflows.client import connect
from workflows.codec import ENCODING, EncryptionCodec, UndecodableError
from workflows.step_contracts import STEPS, CallSteps

KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(32)).decode()
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=f'"{PLANTED_NUMBER}"'.encode())


async def test_a_payload_opens_with_its_key_and_no_other() -> None:
    [sealed] = await EncryptionCodec(KEY).encode([PLAIN])
    [again] = await EncryptionCodec(KEY).encode([PLAIN])
    assert PLANTED_NUMBER.encode() not in sealed.SerializeToString()
    assert sealed.data != again.data
    assert await EncryptionCodec(KEY).decode([sealed]) == [PLAIN]
    with pytest.raises(UndecodableError):
        await EncryptionCodec(OTHER_KEY).decode([sealed])
    damaged = Payload(metadata=sealed.metadata, data=sealed.data[:-1] + bytes([sealed.data[-1] ^ 1]))
    with pytest.raises(UndecodableError):
        await EncryptionCodec(KEY).decode([damaged])


async def test_what_was_written_before_is_read_as_it_is() -> None:
    assert await EncryptionCodec(KEY).decode([PLAIN]) == [PLAIN]


@pytest.mark.parametrize("key", ["no base64!", base64.b64encode(bytes(16)).decode()])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="ENCRYPTION_KEY"):
        EncryptionCodec(key)


async def test_a_dumped_history_holds_nothing_of_a_call(
    database_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    client = await connect(temporal_server.address, encryption_key=KEY, lazy=False)
    async with running_vapi() as vapi, processing_world(database_url, vapi, tmp_path, client) as world:
        world.vapi.statuses["/recordings/mono.wav"] = 410
        await world.report()
        async with world.working():
            assert await world.handle.result() == "processed"
            steps = await world.handle.query(STEPS, result_type=CallSteps)
        assert steps.steps["store_transcript"] == "done"
        dumped = await _dumped(await connect(temporal_server.address, lazy=False), world)
    for planted in (PLANTED_NUMBER, PLANTED_WORDS, "Hello.", '"call_id"', world.vapi.base_url):
        assert planted.encode() not in dumped
    assert dumped.count(ENCODING) >= 10
    assert CALL.encode() in dumped, "a workflow's id is its own, and names the call"


async def _dumped(client: Client, world: ProcessingWorld) -> bytes:
    """Every event as somebody sees it who has Temporal's database, and no key."""
    history = await client.get_workflow_handle(world.handle.id).fetch_history()
    return b"".join(event.SerializeToString() for event in history.events)
