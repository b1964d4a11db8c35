"""Where commands for a call may go: the URL came with a webhook."""

import pytest

from actors.domain.json_types import JSON
from workflows.vendors.control_urls import control_url, may_control

ORIGIN = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    "url",
    [
        "https://phone-call-websocket.vapi.ai/c-1/control",
        "https://phone-call-websocket.aws-us-west-2-backend-production2.vapi.ai/c-1/control",
        "https://x.vapi.ai:443/c-1/control",
    ],
)
def test_vapis_own_hosts(url: str) -> None:
    assert may_control(url)
    assert may_control(url, trusted_origin=ORIGIN)


@pytest.mark.parametrize(
    "url",
    [
        "http://x.vapi.ai/c/control",
        "https://vapi.ai/c/control",
        "https://vapi.ai.evil.example/c/control",
        "https://evilvapi.ai/c/control",
        "https://x.vapi.ai@evil.example/c/control",
        "https://evil.example/x.vapi.ai/control",
        "https://evil.example#.vapi.ai",
        "https://evil.example?.vapi.ai",
        "https://evil.example\\.vapi.ai/c",
        "https://user:pass@x.vapi.ai/c/control",
        "https://x.vapi.ai:22/c/control",
        "https://x.vapi.ai:abc/c/control",
        "https://x.vapi.ai./c/control",
        "https://x.vapi.ai/c\r\nHost: evil",
        "https://x.vapi.ai /c",
        "https://x.v\u0430pi.ai/c/control",
        "wss://x.vapi.ai/c/control",
        "https://[::1",
        "http://127.0.0.1:8000/c/control",
        "",
    ],
)
def test_nothing_else(url: str) -> None:
    assert not may_control(url)


def test_the_local_simulator_is_trusted_to_the_letter() -> None:
    assert may_control(f"{ORIGIN}/simulator/vapi/call/c/control", trusted_origin=ORIGIN)
    for url in ("http://127.0.0.1:80001/c", "http://127.0.0.1:8000@evil.example/c", "http://localhost:8000/c"):
        assert not may_control(url, trusted_origin=ORIGIN)


def test_only_text_of_a_sane_length_is_an_address() -> None:
    assert control_url({"monitor": {"controlUrl": "https://x.vapi.ai/c"}}) == "https://x.vapi.ai/c"
    others: list[JSON] = [{}, [], {"controlUrl": 7}, {"controlUrl": "h" * 3_000}]
    for monitor in others:
        assert control_url({"monitor": monitor}) is None
