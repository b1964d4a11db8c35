"""What was sent and what was answered, and what must therefore be seen. No I/O; times are monotonic seconds."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from serve.simulator.mischief import Delivery, expected_of
from serve.simulator.script import Expected, ScriptedCall, expected

# An acknowledged event is applied well within this, unless a shard is just being replaced.
SETTLED_SECONDS: Final = 5.0
_SHORT: Final = 60
_CHATTER: Final = frozenset({"transcript", "speech-update", "conversation-update", "user-interrupted"})


def _ends(delivery: Delivery) -> bool:
    return delivery.message.type == "end-of-call-report" or delivery.message.content.get("status") == "ended"


@dataclass(slots=True)
class _Progress:
    began_at: float | None = None
    ending_at: float | None = None
    ended_at: float | None = None
    acknowledged: list[Delivery] = field(default_factory=list[Delivery])
    call: ScriptedCall | None = None
    """As it was when the last delivery left: commands change calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSet:
    """Calls that must be among those shown as not ended, and calls that must not be."""

    live: frozenset[str]
    over: frozenset[str]

    def differences(self, shown: Iterable[str], *, complete: bool = True) -> list[str]:
        """What is wrong with the calls `shown`, one sentence each; unless `complete`, missing ones are forgiven."""
        found = frozenset(shown)
        wrong = [f"{call_id}: shown as going on, has ended" for call_id in sorted(found & self.over)]
        if complete:
            wrong += [f"{call_id}: going on, not shown" for call_id in sorted(self.live - found)]
        return wrong


class Ledger:
    """Keeps the run's book. What was acknowledged `settled_seconds` ago must be seen."""

    def __init__(self, *, settled_seconds: float = SETTLED_SECONDS) -> None:
        self._settled_seconds = settled_seconds
        self.sent = 0
        self.duplicates = 0
        self.answers: Counter[str] = Counter()
        self._calls: dict[str, _Progress] = {}

    def sending(self, delivery: Delivery, at: float) -> None:
        """A delivery leaves."""
        self.sent += 1
        self.duplicates += delivery.number > 0
        progress = self._calls.setdefault(delivery.call.call_id, _Progress())
        progress.call = delivery.call
        if _ends(delivery) and progress.ending_at is None:
            progress.ending_at = at

    def answered(self, delivery: Delivery, answer: str, at: float) -> None:
        """It was answered: `answer` is the HTTP status, or what went wrong instead."""
        self.answers[answer] += 1
        if not answer.startswith("2"):
            return
        progress = self._calls[delivery.call.call_id]
        progress.acknowledged.append(delivery)
        if _ends(delivery):
            progress.ended_at = progress.ended_at or at
        elif delivery.message.type not in _CHATTER:
            progress.began_at = progress.began_at or at

    def live_set(self, now: float) -> LiveSet:
        """What must be shown now: only what was acknowledged long enough ago counts."""
        settled = now - self._settled_seconds
        return LiveSet(
            live=frozenset(
                call_id
                for call_id, progress in self._calls.items()
                if progress.began_at is not None and progress.began_at <= settled and progress.ending_at is None
            ),
            over=frozenset(
                call_id
                for call_id, progress in self._calls.items()
                if progress.ended_at is not None and progress.ended_at <= settled
            ),
        )

    def still_live(self, before: LiveSet) -> LiveSet:
        """The set without calls that began to end while somebody was looking."""
        return LiveSet(
            live=frozenset(each for each in before.live if self._calls[each].ending_at is None), over=before.over
        )

    def outcomes(self, *, provider_asked: bool = False) -> dict[str, list[Expected]]:
        """What each call may look like in the end: by what was acknowledged, or completed by the provider's record.

        `provider_asked`: there was time to ask the provider for the reports that never came, and it has them.
        """
        return {
            call_id: _acceptable(progress.call, progress.acknowledged, provider_asked=provider_asked)
            for call_id, progress in self._calls.items()
            if progress.call is not None
            and any(delivery.message.type not in _CHATTER for delivery in progress.acknowledged)
        }

    def lost_reports(self) -> frozenset[str]:
        """Calls known to be over whose report never came and can be had from the provider."""
        return frozenset(
            call_id
            for call_id, progress in self._calls.items()
            if progress.call is not None
            and progress.acknowledged
            and _is_recoverable(progress.call, progress.acknowledged)
        )


def _is_recoverable(call: ScriptedCall, acknowledged: list[Delivery]) -> bool:
    told = expected_of(call, acknowledged)
    # The provider's record of a call in which nobody spoke is no report: it is asked again after ten minutes.
    return not told.report and told.status == "ended" and bool(expected(call).transcript)


def _acceptable(call: ScriptedCall, acknowledged: list[Delivery], *, provider_asked: bool) -> list[Expected]:
    told = expected_of(call, acknowledged)
    if told.report:
        return [told]
    record = replace(expected(call), tool_calls=told.tool_calls, hangs=told.hangs)
    if provider_asked and _is_recoverable(call, acknowledged):
        return [record]
    # The provider's record counts as the report when it tells of the conversation.
    return [told, record, replace(record, report=False)]


def differences(call_id: str, acceptable: list[Expected], found: Mapping[str, Any] | None) -> list[str]:
    """How a call of the REST API differs from the nearest of what it may be; none when it matches one."""
    if found is None:
        return [f"{call_id}: not found"]
    duration, cost = found["duration_seconds"], found["cost_usd"]
    shown: dict[str, Any] = {
        "status": found["status"],
        "ended_reason": found["ended_reason"],
        "duration_ms": None if duration is None else round(duration * 1000),
        "cost_micros": None if cost is None else round(cost * 1_000_000),
        "transcript": found["transcript"] or None,
        "tool_calls": found["tool_calls"],
        "hangs": found["hangs"],
        "report": found["report"] == "received",
    }
    candidates = [_compared(call_id, each, shown) for each in acceptable]
    return min(candidates, key=len)


def _compared(call_id: str, expected: Expected, shown: Mapping[str, Any]) -> list[str]:
    wrong: list[str] = []
    for name, value in shown.items():
        wanted = getattr(expected, name) or None if name == "transcript" else getattr(expected, name)
        if value != wanted:
            wrong.append(f"{call_id}: {name} is {_short(value)}, not {_short(wanted)}")
    return wrong


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"
