"""Following an organization's live feed until something holds."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from serve.live.board import LiveBoard
from serve.live.client import Credential, Update, follow
from storage.live_position import BEFORE_ALL
from tests.e2e.product import PATIENCE_SECONDS, Product


async def until(product: Product, board: LiveBoard, holds: Callable[[LiveBoard], bool]) -> None:
    """Follow the organization's feed into `board` until it holds, then leave."""
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(_updates(product, board)) as updates:
        async for _ in updates:
            if board.position is not None and holds(board):
                return


async def until_level(product: Product, one: LiveBoard, another: LiveBoard, holds: Callable[[LiveBoard], bool]) -> None:
    """Follow the feed into both boards until they stand at one position where it holds, then leave.

    Whichever is behind is moved on. The feed goes on by itself, so boards left one after the other need not be level.
    """
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(_updates(product, one)) as of_one,
        aclosing(_updates(product, another)) as of_another,
    ):
        while one.position is None or one.position != another.position or not holds(one):
            behind = (one.position or BEFORE_ALL) <= (another.position or BEFORE_ALL)
            await anext(of_one if behind else of_another)


async def heard(product: Product, board: LiveBoard, call_id: str, spoken: bytes) -> None:
    """Say it until it is on the board: what is said is delivered at most once, above all just after a slot moved."""

    async def say() -> None:
        while True:
            await asyncio.to_thread(lambda: product.post(spoken).raise_for_status())
            await asyncio.sleep(1)  # as a caller does who was not heard

    saying = asyncio.create_task(say())
    try:
        await until(product, board, lambda seen: bool((seen.calls.get(call_id) or {}).get("utterances")))
    finally:
        saying.cancel()


async def _updates(product: Product, board: LiveBoard) -> AsyncGenerator[Update]:
    async def credential() -> Credential:
        return Credential(api_key=product.api_key)

    async for update in follow(product.live_url, product.organization_id, credential, board):
        yield update
