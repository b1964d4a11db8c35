import asyncio
import base64
import os
import signal
import sys
from pathlib import Path
from uuid import uuid4

from serve.stack.temporal_server import TemporalServer
from workflows.client import TemporalProcessing, connect
from workflows.contracts import processing_workflow_id


async def test_a_worker_of_its_own_serves_and_ends_when_told(
    database_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url,
        "TEMPORAL_ADDRESS": temporal_server.address,
        "ENCRYPTION_KEY": base64.b64encode(bytes(32)).decode(),
        "RECORDINGS_URL": tmp_path.as_uri(),
    }
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "workflows.worker", env=environment)
    try:
        organization_id = str(uuid4())
        client = await connect(temporal_server.address, encryption_key=environment["ENCRYPTION_KEY"])
        await TemporalProcessing(client).signal(organization_id, "call-1")
        handle = client.get_workflow_handle(processing_workflow_id(organization_id, "call-1"), result_type=str)
        async with asyncio.timeout(30):
            assert await handle.result() == "unknown"
        worker.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await worker.wait() == 0
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
