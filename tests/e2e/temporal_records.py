"""What the running stack's Temporal keeps of workflows: as it keeps it, and opened with the stack's own key."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from tests.running_stack import RunningStack
from workflows.client import connect
from workflows.codec import ENCODING, EncryptionCodec

_LISTED = 1_000
"""The newest of all runs, of which the newest of each type are looked at."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A run: every event of its history as bytes, and the contents of every payload in them."""

    workflow_id: str
    type: str
    raw: bytes = field(repr=False)
    opened: bytes = field(repr=False)
    sealed: int
    """How many payloads were encrypted."""
    largest_event: int

    def holds(self, text: bytes) -> bool:
        return text in self.raw or text in self.opened


async def connected(stack: RunningStack, *, sealing: bool = True) -> Client:
    """A client of the stack's Temporal, `sealing` what it sends as the product does."""
    key = stack.setting("ENCRYPTION_KEY") if sealing else None
    return await connect(stack.setting("TEMPORAL_ADDRESS"), encryption_key=key, lazy=False)


async def newest(stack: RunningStack, *, of_each_type: int, also: Collection[str]) -> Sequence[Kept]:
    """The newest runs of every type that Temporal lists, and the latest of the workflows `also`, listed yet or not."""
    client, taken = await connected(stack), Counter[str]()
    chosen: dict[str, str | None] = dict.fromkeys(also)
    async for each in client.list_workflows(limit=_LISTED):
        taken[each.workflow_type] += 1
        if taken[each.workflow_type] <= of_each_type:
            chosen.setdefault(each.id, each.run_id)
    return await kept(stack, client, chosen.items())


async def kept(stack: RunningStack, client: Client, runs: Collection[tuple[str, str | None]]) -> Sequence[Kept]:
    """These runs, by the ids of workflow and run; of the latest where none is told."""
    codec, room = EncryptionCodec(stack.setting("ENCRYPTION_KEY")), asyncio.Semaphore(_AT_ONCE)

    async def look(workflow_id: str, run_id: str | None) -> Kept:
        async with room:
            history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        events = history.events
        payloads = [payload for event in events for payload in _payloads(event)]
        opened = await codec.decode(payloads)
        return Kept(
            workflow_id=workflow_id,
            type=events[0].workflow_execution_started_event_attributes.workflow_type.name,
            raw=b"\n".join(event.SerializeToString() for event in events),
            opened=b"\n".join(each.data for each in opened),
            sealed=sum(each.metadata.get("encoding") == ENCODING for each in payloads),
            largest_event=max(event.ByteSize() for event in events),
        )

    return await asyncio.gather(*(look(*each) for each in runs))


def _payloads(message: Message) -> Iterator[Payload]:
    """Every payload below, those of failures, headers, memos and search attributes too."""
    if isinstance(message, Payload):
        yield message
        return
    for described, value in message.ListFields():
        for each in _messages(described, value):
            yield from _payloads(each)


def _messages(described: Any, value: Any) -> Iterator[Message]:
    if described.message_type is None:
        return
    if described.message_type.GetOptions().map_entry:
        yield from (each for each in value.values() if isinstance(each, Message))
    elif isinstance(value, Message):
        yield value
    else:
        yield from value
