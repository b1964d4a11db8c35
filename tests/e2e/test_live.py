"""What a dashboard sees: a call as it happens, and the same board after a lost connection."""

from serve.live.board import LiveBoard
from serve.simulator.bodies import body_of
from tests.e2e.live import heard, until, until_level
from tests.e2e.product import Product
from tests.e2e.scripts import LIFECYCLE, a_call


def status(board: LiveBoard, call_id: str) -> str | None:
    call = board.calls.get(call_id)
    return None if call is None else call["status"]


async def test_a_call_appears_speaks_and_ends_on_the_board(product: Product) -> None:
    call = a_call(product, 301)
    board = LiveBoard()
    lifecycle = [each for each in call.messages if each.type in LIFECYCLE]
    started = next(each for each in lifecycle if each.content.get("status") == "in-progress")
    spoken = next(each for each in call.messages if each.content.get("transcriptType") == "final")
    product.post(body_of(call, started)).raise_for_status()
    await until(product, board, lambda seen: status(seen, call.call_id) == "in-progress")
    await heard(product, board, call.call_id, body_of(call, spoken))
    assert str(spoken.content["transcript"]) in str(board.calls[call.call_id]["utterances"])
    for message in lifecycle:
        product.post(body_of(call, message)).raise_for_status()
    await until(product, board, lambda seen: status(seen, call.call_id) == "ended")


async def test_a_client_that_comes_back_has_the_same_board_as_one_that_stayed(product: Product) -> None:
    calls = [a_call(product, 310 + number) for number in range(3)]
    returning, fresh = LiveBoard(), LiveBoard()
    await until(product, returning, lambda _: True)
    for call in calls:
        for message in call.messages:
            product.post(body_of(call, message)).raise_for_status()

    def all_processed(seen: LiveBoard) -> bool:
        return all((seen.calls.get(call.call_id) or {}).get("processed_at") for call in calls)

    await until_level(product, returning, fresh, all_processed)
    for call in calls:
        assert returning.calls[call.call_id] == fresh.calls[call.call_id]
