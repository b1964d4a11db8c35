"""How a call was talked: exact from the report, and before it from what is heard live."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from actors.domain.json_types import JSON

SILENCE_MS = 2_000
"""Nobody speaking for longer than this is silence; all of it then counts."""
LATENCIES_KEPT = 500
_MOST = 2**31 - 1
"""Of a count, or of ms between a question and its answer: what is more, weeks, comes of a clock that is wrong, and no
column of `calls` holds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What the report's messages tell, taken as one fact. Times are ms since the epoch, provider's clock.

    `first_word_at`: first assistant audio. `turn_latencies_ms`: from the end of what the caller said to the start of
    the answer, one per turn in order; an answer that began before the end is none. `silence_ms`: between answered and
    ended, in pauses of more than `SILENCE_MS` in which nobody spoke; None when the ends are not known.
    `tools_failed` of `tools_called` ended with an error or without a result; `tool_latencies_ms`: from each call of a
    tool to its result, of those that had one. `interruptions`: the caller spoke into the assistant's words.
    """

    first_word_at: int | None = None
    turn_latencies_ms: tuple[int, ...] = ()
    silence_ms: int | None = None
    tools_called: int = 0
    tools_failed: int = 0
    tool_latencies_ms: tuple[int, ...] = ()
    interruptions: int = 0

    @classmethod
    def told(cls, facts: Mapping[str, JSON]) -> Self:
        """From the JSON of an inbox row; what has another shape, or cannot be, counts as not told."""
        return cls(
            first_word_at=_number(facts.get("first_word_at")),
            turn_latencies_ms=_numbers(facts.get("turn_latencies_ms")),
            silence_ms=_number(facts.get("silence_ms")),
            tools_called=_count(facts.get("tools_called")),
            tools_failed=_count(facts.get("tools_failed")),
            tool_latencies_ms=_numbers(facts.get("tool_latencies_ms")),
            interruptions=_count(facts.get("interruptions")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechSign:
    """Somebody began or ceased to speak at `at`, ms of the provider's clock. `role`: "assistant" or "user"."""

    role: str
    started: bool
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolsFailed:
    """Tool calls that our door, which asked the organization's server, answered with an error.

    Handed over as chatter is, at most once: VAPI waits for the answer, another insert would delay it, and the report
    tells the exact count. `ids`: of the tool calls; told twice they count once.
    """

    ids: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """The same, from chatter: at most once, so a hint until the report comes. Signs older than the last are dropped."""

    first_word_at: int | None = None
    turn_latencies_ms: tuple[int, ...] = ()
    silence_ms: int = 0
    interruptions: int = 0
    speaking: frozenset[str] = frozenset()
    asked_at: int | None = None
    quiet_since: int | None = None
    last_at: int = 0
    failed_tool_calls: frozenset[str] = frozenset()

    @property
    def tools_failed(self) -> int:
        return len(self.failed_tool_calls)

    def after(self, sign: SpeechSign | ToolsFailed) -> Self:
        if isinstance(sign, ToolsFailed):
            return replace(self, failed_tool_calls=self.failed_tool_calls | sign.ids)
        if sign.at < self.last_at:
            return self
        if not sign.started:
            speaking = self.speaking - {sign.role}
            return replace(
                self,
                speaking=speaking,
                asked_at=sign.at if sign.role == "user" else self.asked_at,
                quiet_since=self.quiet_since if speaking else sign.at,
                last_at=sign.at,
            )
        quiet_ms = sign.at - self.quiet_since if self.quiet_since is not None and not self.speaking else 0
        heard = replace(
            self,
            silence_ms=self.silence_ms + (quiet_ms if quiet_ms > SILENCE_MS else 0),
            speaking=self.speaking | {sign.role},
            quiet_since=None,
            last_at=sign.at,
        )
        if sign.role == "user":
            return replace(heard, interruptions=self.interruptions + ("assistant" in self.speaking), asked_at=None)
        latencies = self.turn_latencies_ms
        if self.asked_at is not None:
            latencies = (*latencies, sign.at - self.asked_at)[-LATENCIES_KEPT:]
        first = self.first_word_at if self.first_word_at is not None else sign.at
        return replace(heard, first_word_at=first, turn_latencies_ms=latencies, asked_at=None)


def _number(value: JSON) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _count(value: JSON) -> int:
    number = _number(value)
    return number if number is not None and number <= _MOST else 0


def _numbers(value: JSON) -> tuple[int, ...]:
    told = value if isinstance(value, list) else []
    return tuple(number for number in map(_number, told) if number is not None and number <= _MOST)
