"""What people are told of a processed call. The call's id is in each, so that no two calls' messages are equal."""

from typing import Final

from storage.notifications import Notice

MAX_SMS: Final = 480
"""Characters, id included: three parts at most in Latin letters."""

_MAX_SUMMARY: Final = 4_000


def sms_text(notice: Notice, call_id: str) -> str:
    """One text message."""
    end = f" [{call_id}]"
    told = f"{_headline(notice)}."
    if notice.summary:
        told = f"{told} {' '.join(notice.summary.split())}"
    if notice.actions:
        told = f"{told} To do: {'; '.join(notice.actions)}"
    room = MAX_SMS - len(end)
    return (told if len(told) <= room else f"{told[: room - 1]}…") + end


def email_subject(notice: Notice) -> str:
    """One line."""
    return _headline(notice)[:200]


def email_text(notice: Notice, call_id: str) -> str:
    """A plain text."""
    parts = [f"{_headline(notice)}."]
    if notice.summary:
        parts.append(notice.summary[:_MAX_SUMMARY])
    if notice.actions:
        parts.append("To do:\n" + "\n".join(f"- {each}" for each in notice.actions))
    parts.append(f"Ended: {notice.ended_reason or 'unknown'}\nCall: {call_id}")
    return "\n\n".join(parts) + "\n"


def _headline(notice: Notice) -> str:
    who = {"inbound": notice.from_number, "outbound": notice.to_number}.get(notice.direction or "")
    word = {"inbound": "call from", "outbound": "call to"}.get(notice.direction or "", "call")
    subject = f"{word} {who}" if who else "a call"
    desk = f" ({notice.assistant_name})" if notice.assistant_name else ""
    return f"{notice.organization_name}: {subject}{desk}, {_length(notice.duration_ms)}"


def _length(duration_ms: int | None) -> str:
    if duration_ms is None:
        return "length unknown"
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
