"""Calls that wait or failed are found in Temporal, by a server that indexes."""

from pathlib import Path

from serve.stack.temporal_server import TemporalServer
from tests.fakes.processing_world import ProcessingWorld, processing_world, until
from tests.fakes.vapi_server import running_vapi
from workflows.client import connect
from workflows.search_attributes import CALL_FAILED_STEPS, CALL_PENDING_STEPS, CALL_STAGE, register_search_attributes

RECORDING_PATH = "/recordings/mono.wav"


async def test_a_call_is_found_by_what_it_waits_for_and_by_what_failed(
    database_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    client = await connect(temporal_server.address, lazy=False)
    assert await register_search_attributes(client)
    assert await register_search_attributes(client)
    async with running_vapi() as vapi, processing_world(database_url, vapi, tmp_path, client) as world:
        world.searchable = True
        world.vapi.statuses[RECORDING_PATH] = 503
        await world.report()
        async with world.working():
            await until(lambda: _found(world, "CallPendingSteps = 'copy_recording'", "waiting-for-vendors"), seconds=60)
            world.vapi.statuses[RECORDING_PATH] = 410
            await until(lambda: _found(world, "CallFailedSteps = 'copy_recording'", "processed"), seconds=60)
            assert await world.handle.result() == "processed"
            await world.keep_history("searchable")
            described = (await world.handle.describe()).typed_search_attributes
    assert described[CALL_STAGE] == "processed"
    assert CALL_PENDING_STEPS not in described
    assert described[CALL_FAILED_STEPS] == ["copy_recording"]


async def _found(world: ProcessingWorld, query: str, stage: str) -> bool:
    asked = f"WorkflowId = '{world.handle.id}' and CallStage = '{stage}' and {query}"
    listed = world.env.client.list_workflows(asked)
    return [each async for each in listed] != []
