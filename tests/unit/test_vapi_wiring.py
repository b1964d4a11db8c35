from dataclasses import replace
from typing import Any

import pytest

from actors.domain.json_types import JSON
from workflows.vendors.vapi_wiring import SERVER_MESSAGES, Wiring

WIRING = Wiring(
    url="https://us.example.com/webhooks/vapi/o-1",
    secret="very-secret",
    other_secrets=frozenset({"also-good"}),
    authenticates=True,
)
UNAUTHENTICATED = replace(WIRING, authenticates=False)


def _record(**server: Any) -> dict[str, Any]:
    return {**WIRING.of_assistant(), "server": {**WIRING.server(), **server}}


def test_our_own_settings_do_not_differ() -> None:
    assert WIRING.assistant_differences(WIRING.of_assistant()) == frozenset()
    assert WIRING.number_differences(WIRING.of_number()) == frozenset()


def test_nothing_set_differs_in_everything() -> None:
    assert WIRING.assistant_differences({}) == {"server_url", "secret", "backoff_plan", "server_messages", "monitor"}
    assert WIRING.number_differences({}) == {"server_url", "secret", "backoff_plan"}


@pytest.mark.parametrize(
    ("server", "differs"),
    [
        ({"url": "https://us.example.com/webhooks/vapi/o-2"}, {"server_url"}),
        ({"headers": {}}, {"secret"}),
        ({"headers": {"x-vapi-secret": "***"}}, set[str]()),
        ({"headers": {"x-vapi-secret": "very-s******"}}, set[str]()),
        ({"headers": {"x-vapi-secret": "[REDACTED]"}}, set[str]()),
        ({"headers": {"x-vapi-secret": "somebody-else-s"}}, {"secret"}),
        ({"headers": {"x-vapi-secret": "also-good"}}, set[str]()),
        ({"headers": {"Authorization": "Bearer very-secret"}}, set[str]()),
        ({"headers": {"Authorization": "Bearer another"}}, {"secret"}),
        ({"headers": None, "secret": "very-secret"}, set[str]()),
        ({"headers": None, "secret": "another"}, {"secret"}),
        ({"headers": None, "credentialId": "c-1"}, set[str]()),
        ({"backoffPlan": None}, {"backoff_plan"}),
        ({"backoffPlan": {"type": "fixed", "maxRetries": 10, "baseDelaySeconds": 1}}, {"backoff_plan"}),
        ({"backoffPlan": {**_record()["server"]["backoffPlan"], "excludedStatusCodes": []}}, set[str]()),
    ],
)
def test_each_part_of_the_server_is_looked_at(server: dict[str, Any], differs: set[str]) -> None:
    assert WIRING.number_differences(_record(**server)) == differs


@pytest.mark.parametrize("missing", SERVER_MESSAGES)
def test_every_message_counts_and_more_are_welcome(missing: str) -> None:
    some: list[JSON] = [each for each in SERVER_MESSAGES if each != missing]
    assert WIRING.assistant_differences({**_record(), "serverMessages": some}) == {"server_messages"}
    more: list[JSON] = [*SERVER_MESSAGES, "voice-input"]
    assert WIRING.assistant_differences({**_record(), "serverMessages": more}) == frozenset()


def test_an_open_monitor_is_told() -> None:
    open_to_all: dict[str, JSON] = {"listenEnabled": True, "controlEnabled": True}
    assert WIRING.assistant_differences({**_record(), "monitorPlan": open_to_all}) == {"monitor"}


def test_without_a_public_key_the_monitor_is_left_as_it_is() -> None:
    assert "monitorPlan" not in UNAUTHENTICATED.of_assistant()
    assert UNAUTHENTICATED.assistant_differences({**_record(), "monitorPlan": None}) == frozenset()


def test_a_repair_sets_what_differs_and_nothing_beside() -> None:
    record: dict[str, JSON] = {**_record(), "serverMessages": ["hang", "voice-input"], "monitorPlan": {"extra": 1}}
    assert WIRING.repair(record, {"backoff_plan"}) == {"server": WIRING.server()}
    assert WIRING.repair(record, {"server_messages"}) == {"serverMessages": [*SERVER_MESSAGES, "voice-input"]}
    assert WIRING.repair(record, {"monitor"}) == {"monitorPlan": {"extra": 1, **_record()["monitorPlan"]}}
    assert WIRING.repair(record, ()) == {}
    mended = {**record, **WIRING.repair(record, WIRING.assistant_differences(record))}
    assert WIRING.assistant_differences(mended) == frozenset()


def test_the_secret_is_not_shown() -> None:
    assert "very-secret" not in repr(WIRING)
    assert "also-good" not in repr(WIRING)
