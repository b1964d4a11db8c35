"""What goes wrong between VAPI and us: repeated, reordered, late and lost deliveries. Pure and seeded."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

from serve.simulator.script import Expected, ScriptedCall, TimedMessage, expected

LATE_BY_MS = (500, 5_000)
_STATUSES = ("queued", "ringing", "in-progress", "forwarding", "ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """Shares from 0 to 1: of messages repeated, swapped with the next one or late; of calls that lose a message."""

    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    drop_report: float = 0.0
    drop_ended: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message on its way: `send_at` in ms since the epoch; `number` counts the deliveries of the same message."""

    call: ScriptedCall
    message: TimedMessage
    send_at: int
    number: int = 0


def deliveries(calls: Iterable[ScriptedCall], mischief: Mischief, *, seed: int) -> list[Delivery]:
    """Everything that is sent for `calls`, in order of sending. The same arguments give the same deliveries."""
    sent: list[Delivery] = []
    for call in calls:
        random = Random(f"{seed}:{call.call_id}")  # noqa: S311  (repeatable by its seed; nothing here is a secret)
        sent += _of_call(call, mischief, random)
    return sorted(sent, key=lambda delivery: (delivery.send_at, delivery.call.call_id, delivery.number))


def _of_call(call: ScriptedCall, mischief: Mischief, random: Random) -> list[Delivery]:
    dropped = {
        "end-of-call-report": random.random() < mischief.drop_report,
        "ended": random.random() < mischief.drop_ended,
    }
    kept = [
        Delivery(call=call, message=message, send_at=call.wall_ms(message.at))
        for message in call.messages
        if not dropped.get("ended" if message.content.get("status") == "ended" else message.type, False)
    ]
    for index in range(len(kept) - 1):
        if random.random() < mischief.reorder:
            first, second = kept[index], kept[index + 1]
            kept[index], kept[index + 1] = (
                replace(second, send_at=first.send_at),
                replace(first, send_at=second.send_at),
            )
    sent: list[Delivery] = []
    for delivery in kept:
        late = random.randrange(*LATE_BY_MS) if random.random() < mischief.delay else 0
        sent.append(replace(delivery, send_at=delivery.send_at + late))
        if random.random() < mischief.duplicate:
            again = delivery.send_at + late + random.randrange(20, 2_000)
            sent.append(replace(delivery, send_at=again, number=1))
    return sent


def expected_of(call: ScriptedCall, sent: Sequence[Delivery]) -> Expected:
    """What is true of the call from these deliveries alone, before anybody asks the provider."""
    messages = {(each.message.type, each.message.at): each.message for each in sent}.values()
    types = Counter(message.type for message in messages)
    heard = replace(expected(call), tool_calls=types["tool-calls"], hangs=types["hang"])
    if types["end-of-call-report"]:
        return heard
    told = {str(message.content["status"]) for message in messages if message.type == "status-update"}
    # Whatever else is told of a call is told while it goes on.
    reached = told | {"in-progress"} if types.keys() - {"status-update"} else told
    return replace(
        heard,
        status=max(reached, key=_STATUSES.index),
        ended_reason=call.ended_reason if "ended" in told else None,
        duration_ms=heard.duration_ms if {"in-progress", "ended"} <= told else None,
        cost_micros=None,
        transcript=None,
        report=False,
    )
