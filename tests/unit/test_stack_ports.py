import os
import socket
import uuid
from collections.abc import Iterator

import pytest

from serve.stack.ports import BLOCK_SIZE, FIRST_BLOCK, PortBlock, PortTakenError, choose_block, require_free


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_names_and_ranges_of_a_block_never_overlap() -> None:
    block = PortBlock(first=FIRST_BLOCK)
    named = list(block.by_name().values())
    every = [*named, *block.replicas_http, *block.replicas_grpc]
    assert len(every) == len(set(every))
    assert set(every) <= set(range(FIRST_BLOCK, FIRST_BLOCK + BLOCK_SIZE))


def test_a_block_with_one_port_taken_is_passed_over() -> None:
    stack = uuid.uuid4()
    first = choose_block(stack)
    with socket.create_server(("127.0.0.1", first["valkey"])):
        assert choose_block(stack) != first


def test_a_taken_port_is_told_with_its_holder_and_the_flag(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(PortTakenError, match=rf"port {port} is taken by \S+ \(pid {os.getpid()}\)") as taken:
        require_free(port, flag="--http-port")
    assert "--http-port" in taken.value.hint


def test_a_free_port_passes(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    require_free(port, flag="--http-port")
