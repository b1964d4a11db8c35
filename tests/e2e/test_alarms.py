"""An alarm on the running product: rules are set, a call falls silent, somebody sees to it, the call ends."""

from http import HTTPStatus
from typing import Any

from serve.live.board import LiveBoard
from serve.simulator.bodies import body_of
from tests.e2e.live import heard, until
from tests.e2e.product import Product
from tests.e2e.scripts import LIFECYCLE, a_call


def alarms(board: LiveBoard, call_id: str) -> dict[str, dict[str, Any]]:
    return {each["rule"]: each for each in board.incidents.values() if each["call_id"] == call_id}


def is_acknowledged(board: LiveBoard, incident_id: str) -> bool:
    shown = (each for each in board.incidents.values() if each["incident_id"] == incident_id)
    return any(each["acknowledged_at"] for each in shown)


async def test_a_silent_and_too_long_call_raises_and_clears_when_it_ends(product: Product) -> None:
    rules = [
        {"name": "call-silent", "metric": "silence_seconds", "threshold": 2, "clear": 1},
        {"name": "call-too-long", "metric": "age_seconds", "threshold": 3, "clear": 3, "severity": "critical"},
    ]
    assert product.put("alarm-rules", {"rules": rules}).status_code == HTTPStatus.ACCEPTED
    call = a_call(product, 321)
    started = next(each for each in call.messages if each.content.get("status") == "in-progress")
    spoken = next(each for each in call.messages if each.content.get("transcriptType") == "final")
    board = LiveBoard()
    try:
        product.post(body_of(call, started)).raise_for_status()
        await heard(product, board, call.call_id, body_of(call, spoken))
        await until(product, board, lambda seen: alarms(seen, call.call_id).keys() >= {"call-silent", "call-too-long"})
        silent = alarms(board, call.call_id)["call-silent"]
        assert silent["evidence"]["call_id"] == call.call_id
        assert silent["evidence"]["value"] >= 2
        acknowledged = product.act(f"incidents/{silent['incident_id']}/acknowledge")
        assert acknowledged.status_code == HTTPStatus.ACCEPTED
        await until(product, board, lambda seen: is_acknowledged(seen, silent["incident_id"]))
        for message in call.messages:
            if message.type in LIFECYCLE:
                product.post(body_of(call, message)).raise_for_status()
        await until(product, board, lambda seen: not alarms(seen, call.call_id))
        page = product.get("incidents", limit=200).raise_for_status().json()["incidents"]
        told = {each["rule"]: each for each in page if each["call_id"] == call.call_id}
        assert told.keys() >= {"call-silent", "call-too-long"}
        assert told["call-silent"]["acknowledged_by"]
        assert all(each["recovered_at"] and each["lasted_seconds"] > 0 for each in told.values())
    finally:
        product.put("alarm-rules", {"rules": []}).raise_for_status()
