"""Who waits for what is decided of a request, by the inbox row that asks."""

import asyncio

from actors.ports import UnavailableError

ADMIT_SECONDS = 1.0
"""Nobody waits longer: the door lets the call through then."""


class Requests:
    """Waiters of one shard; each leaves with its answer or after ADMIT_SECONDS, so none is kept for nothing."""

    def __init__(self) -> None:
        self._asked: dict[int, list[asyncio.Future[str]]] = {}

    def ask(self, row_id: int) -> "asyncio.Future[str]":
        """What `tell` will say of the row, to be waited for by `answered`. Ask before the row can be decided."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(row_id, []).append(answer)
        return answer

    async def answered(self, row_id: int, answer: "asyncio.Future[str]") -> str:
        """The decision. Raises UnavailableError after ADMIT_SECONDS: the row is still to be decided."""
        try:
            async with asyncio.timeout(ADMIT_SECONDS):
                return await answer
        except TimeoutError as slow:
            raise UnavailableError("the request was not decided in time") from slow
        finally:
            self.forget(row_id, answer)

    def forget(self, row_id: int, answer: "asyncio.Future[str]") -> None:
        """Wait for it no longer."""
        waiting = self._asked.get(row_id, [])
        if answer in waiting:
            waiting.remove(answer)
        if not waiting:
            self._asked.pop(row_id, None)

    def tell(self, row_id: int, outcome: str) -> None:
        """Answer everyone who waits for the row."""
        for answer in self._asked.pop(row_id, ()):
            if not answer.done():
                answer.set_result(outcome)

    def __contains__(self, row_id: int) -> bool:
        return row_id in self._asked
