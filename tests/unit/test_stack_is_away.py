"""What a command says that was started while no stack answers, or whose stack goes away meanwhile."""

import json
import socket
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from serve.cli import main
from serve.simulator.checking import Checker
from serve.simulator.ledger import Ledger
from serve.simulator.target import read_target

COMMANDS = pytest.mark.parametrize("command", ["simulate", "load", "watch"])


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder as a killed stack leaves it: it names an address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    organization = {"organization_id": "o", "api_key": "k", "vapi_secret": "s"}
    told = {"base_url": f"http://127.0.0.1:{port}", "live_url": f"ws://127.0.0.1:{port}", **organization}
    (tmp_path / "dev.json").write_text(json.dumps({**told, "other": organization}))
    return tmp_path


@COMMANDS
def test_a_stack_that_does_not_answer_is_told_in_a_line(command: str, data_dir: Path) -> None:
    done = CliRunner().invoke(main, [command, "--data-dir", str(data_dir)])
    assert done.exit_code == 2
    said = " ".join(done.output.replace("│", " ").split())
    assert "nothing answers at" in said
    assert "`make up` starts it" in said
    assert "Traceback" not in said


@COMMANDS
def test_a_folder_without_a_stack_is_told_in_a_line(command: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [command, "--data-dir", str(tmp_path)])
    assert done.exit_code == 2
    assert "no stack runs in" in " ".join(done.output.replace("│", " ").split())


async def test_a_list_that_cannot_be_read_any_more_is_a_difference(data_dir: Path) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        found = await Checker(http, read_target(data_dir, "main"), Ledger()).active()
    (told,) = found.differences
    assert told.startswith("the list cannot be read")
