"""Invents simulated calls: who, about what, how long, how they end and what VAPI sends meanwhile. Pure and seeded."""

from dataclasses import replace
from random import Random
from uuid import UUID

from actors.domain.iso_time import iso
from actors.domain.json_types import JSON
from serve.simulator.content import (
    FAREWELL,
    GREETINGS,
    TOOLS,
    TOPIC_NAMES,
    TOPICS,
    TRANSFER,
    VOICEMAIL,
    Assistant,
    Kind,
    assistant,
    text_id,
)
from serve.simulator.script import Role, Said, ScriptedCall, TimedMessage, ToolUse

# Shares of ended reasons as a mixed fleet of assistants shows them, by whether the call was picked up.
_ANSWERED = {
    "customer-ended-call": 42,
    "assistant-ended-call": 25,
    "assistant-forwarded-call": 9,
    "silence-timed-out": 7,
    "voicemail": 6,
    "call.in-progress.twilio-completed-call": 3,
    "assistant-said-end-call-phrase": 3,
    "exceeded-max-duration": 2,
    "pipeline-error-openai-llm-failed": 1,
    "call.in-progress.error-providerfault-deepgram-transcriber-failed": 1,
    "call.in-progress.error-vapifault-worker-died": 1,
}
_UNANSWERED = {"customer-did-not-answer": 6, "customer-busy": 3, "twilio-failed-to-connect-call": 1}
_PHONE_ONLY = frozenset({"voicemail", "call.in-progress.twilio-completed-call", "assistant-forwarded-call"})
_UNANSWERED_SHARE = 0.2
_KINDS: dict[Kind, int] = {"inboundPhoneCall": 5, "outboundPhoneCall": 4, "webCall": 1}

_TOOL_SHARE = 0.45
_HANG_SHARE = 0.12
_INTERRUPTED_SHARE = 0.1
_TURN_MS = 6_000
_MAX_EXCHANGES = 7
_CHARACTERS_PER_MS = 0.014
_MEDIAN_SECONDS = 40.0


def scripted_calls(
    seed: int,
    count: int,
    *,
    starts_at: int,
    rate: float = 2.0,
    speed: float = 1.0,
    call_seconds: float | None = None,
) -> list[ScriptedCall]:
    """`count` calls, one each `1 / rate` seconds from `starts_at` (ms) on. The same arguments give the same calls.

    `call_seconds` sets the mean length. With `speed` above 1 the calls' own times lie in the past, so that a call ends
    now, not in the future.
    """
    random = Random(seed)  # noqa: S311  (repeatable by its seed; nothing here is a secret)
    account_id = text_id(random)
    created = iso(starts_at - 86_400_000) or ""
    desks = {
        (topic, web): assistant(random, topic, account_id=account_id, web=web, created_at=created)
        for topic in TOPIC_NAMES
        for web in (False, True)
    }
    numbers = {topic: (text_id(random), f"+1555030{index:04d}") for index, topic in enumerate(TOPIC_NAMES)}
    calls: list[ScriptedCall] = []
    for index in range(count):
        kind = random.choices(tuple(_KINDS), tuple(_KINDS.values()))[0]
        topic = random.choice(TOPIC_NAMES)
        phone_number_id, our_number = numbers[topic]
        first_at = starts_at + round(index * 1000 / rate)
        calls.append(
            _call(
                random,
                kind=kind,
                account_id=account_id,
                desk=desks[topic, kind == "webCall"],
                phone_number_id=phone_number_id,
                our_number=our_number,
                starts_at=first_at,
                speed=speed,
                call_seconds=call_seconds,
            )
        )
    return calls


def answered_call(
    random: Random,
    *,
    starts_at: int,
    talk_seconds: float,
    phone_number_id: str,
    our_number: str,
    customer_number: str,
    customer_name: str,
    assistant_id: str | None,
    control_base: str,
) -> ScriptedCall:
    """A call placed at `starts_at` (ms) that is answered and talked to its end, about `talk_seconds` long.

    Its control address lies under `control_base`.
    """
    account_id, topic = text_id(random), random.choice(TOPIC_NAMES)
    created_at = iso(starts_at - 86_400_000) or ""
    desk = assistant(random, topic, account_id=account_id, web=False, created_at=created_at)
    if assistant_id is not None:
        desk = replace(desk, assistant_id=assistant_id, config={**desk.config, "id": assistant_id})
    while True:
        call = _call(
            random,
            kind="outboundPhoneCall",
            account_id=account_id,
            desk=desk,
            phone_number_id=phone_number_id,
            our_number=our_number,
            starts_at=starts_at,
            speed=1.0,
            call_seconds=talk_seconds,
        )
        if call.ended_reason == "customer-ended-call":
            return replace(
                call, customer_number=customer_number, customer_name=customer_name, control_base=control_base
            )


def _call(
    random: Random,
    *,
    kind: Kind,
    account_id: str,
    desk: Assistant,
    phone_number_id: str,
    our_number: str,
    starts_at: int,
    speed: float,
    call_seconds: float | None,
) -> ScriptedCall:
    talk_ms = _talk_ms(random, call_seconds)
    reason, answered = _outcome(random, kind)
    ring_ms = _ring_ms(random, kind, answered=answered, talk_ms=talk_ms)
    ended_at = ring_ms + (talk_ms if answered else 0)
    conversation = _conversation(random, desk.topic, reason, ring_ms, ended_at) if answered else ()
    draft = ScriptedCall(
        call_id=_call_id(random, starts_at),
        kind=kind,
        account_id=account_id,
        assistant=desk,
        phone_number_id=phone_number_id,
        our_number=our_number,
        customer_number=f"+1555{random.randrange(200_0000, 999_9999):07d}",
        customer_name=f"Caller {random.randrange(1, 1000)}",
        provider_call_id=f"CA{random.getrandbits(128):032x}",
        began_at=starts_at - round(ended_at * (1 - 1 / speed)),
        starts_at=starts_at,
        speed=speed,
        conversation=conversation,
        answered_at=ring_ms if answered else None,
        ended_at=ended_at,
        ended_reason=reason,
        transferred_to="+15550399000" if reason == "assistant-forwarded-call" else None,
        costs=_costs(random, conversation, talk_ms if answered else 0, kind),
        messages=(),
    )
    return replace(draft, messages=_messages(random, draft))


def _call_id(random: Random, at: int) -> str:
    # Version 7, as VAPI's newer ids are: the time makes a second run with the same seed a run of new calls.
    return str(UUID(int=(at << 80) | random.getrandbits(80) & ~(0xF << 76) & ~(0x3 << 62) | (7 << 76) | (2 << 62)))


def _talk_ms(random: Random, call_seconds: float | None) -> int:
    if call_seconds is not None:
        return round(1000 * call_seconds * random.uniform(0.5, 1.5))
    return round(1000 * min(180.0, max(8.0, random.lognormvariate(0.0, 0.6) * _MEDIAN_SECONDS)))


def _outcome(random: Random, kind: Kind) -> tuple[str, bool]:
    answered = kind != "outboundPhoneCall" or random.random() >= _UNANSWERED_SHARE
    shares = _ANSWERED if answered else _UNANSWERED
    reasons = [reason for reason in shares if kind != "webCall" or reason not in _PHONE_ONLY]
    if kind == "inboundPhoneCall":
        reasons = [reason for reason in reasons if reason != "voicemail"]
    return random.choices(reasons, [shares[reason] for reason in reasons])[0], answered


def _ring_ms(random: Random, kind: Kind, *, answered: bool, talk_ms: int) -> int:
    if kind == "webCall":
        return random.randrange(200, 600)
    if kind == "inboundPhoneCall":
        return random.randrange(500, 1_600)
    longest = min(12_000, talk_ms) if answered else min(25_000, 2 * talk_ms)
    return max(1_500, round(longest * random.uniform(0.3, 1.0)))


def _conversation(random: Random, topic: str, reason: str, began: int, ended: int) -> tuple[Said | ToolUse, ...]:
    lines: list[tuple[Role, str]] = [("assistant", GREETINGS[topic])]
    exchanges = max(1, min(_MAX_EXCHANGES, (ended - began) // (2 * _TURN_MS)))
    if reason == "voicemail":
        lines = [("assistant", VOICEMAIL)]
    else:
        for asked, answered in TOPICS[topic][:exchanges]:
            lines.append(("user", asked))
            lines.append(("assistant", answered))
    if reason == "assistant-forwarded-call":
        lines.append(("assistant", TRANSFER))
    elif reason.startswith("assistant-"):
        lines.append(("assistant", FAREWELL))
    slot = (ended - began) / len(lines)
    tools = {index for index in range(2, len(lines), 2) if random.random() < _TOOL_SHARE / exchanges}
    conversation: list[Said | ToolUse] = []
    for index, (role, text) in enumerate(lines):
        at = began + round(slot * (index + random.uniform(0.12, 0.2)))
        if index in tools:
            name, argument, result = TOOLS[topic]
            conversation.append(
                ToolUse(
                    tool_call_id=f"call_{random.getrandbits(96):024x}",
                    name=name,
                    arguments={argument: lines[index - 1][1]},
                    result=result,
                    at=began + round(slot * (index + 0.05)),
                )
            )
        until = at + max(40, round(min(slot * 0.7, len(text) / _CHARACTERS_PER_MS)))
        conversation.append(Said(role=role, text=text, at=at, until=until))
    return tuple(conversation)


def _costs(
    random: Random, conversation: tuple[Said | ToolUse, ...], talk_ms: int, kind: Kind
) -> tuple[dict[str, JSON], ...]:
    if talk_ms == 0:
        return ()
    minutes = talk_ms / 60_000
    spoken = sum(len(said.text) for said in conversation if isinstance(said, Said) and said.role == "assistant")
    turns = sum(isinstance(said, Said) for said in conversation)
    prompt_tokens, completion_tokens = turns * random.randrange(900, 1_300), spoken // 4
    model: dict[str, JSON] = {"provider": "openai", "model": "gpt-4o"}
    parts: list[dict[str, JSON]] = [
        {
            "type": "transcriber",
            "transcriber": {"provider": "deepgram", "model": "nova-3-general"},
            "minutes": minutes,
            "cost": round(minutes * 0.0098, 7),
        },
        {
            "type": "model",
            "model": model,
            "promptTokens": prompt_tokens,
            "completionTokens": completion_tokens,
            "cost": round(prompt_tokens * 2.5e-6 + completion_tokens * 1e-5, 7),
        },
        {
            "type": "voice",
            "voice": {"provider": "vapi", "voiceId": "Elliot", "model": "eleven_turbo_v2_5"},
            "characters": spoken,
            "cost": round(spoken * 5e-5, 7),
        },
        {"type": "vapi", "subType": "normal", "minutes": round(minutes, 4), "cost": round(minutes * 0.05, 7)},
    ]
    if kind != "webCall":
        parts.append({"type": "transport", "provider": "twilio", "minutes": minutes, "cost": round(minutes * 0.008, 7)})
    parts.extend(_analysis_cost(random, analysis) for analysis in ("summary", "structuredData", "successEvaluation"))
    return tuple(parts)


def _analysis_cost(random: Random, analysis: str) -> dict[str, JSON]:
    return {
        "type": "analysis",
        "analysisType": analysis,
        "model": {"provider": "google", "model": "gemini-2.5-flash"},
        "promptTokens": random.randrange(600, 2_400),
        "completionTokens": random.randrange(10, 220),
        "cost": round(random.uniform(0.0001, 0.0004), 7),
    }


def _messages(random: Random, call: ScriptedCall) -> tuple[TimedMessage, ...]:
    messages = _statuses(call)
    turn = 0
    for item in call.conversation:
        if isinstance(item, ToolUse):
            messages.append(TimedMessage(type="tool-calls", at=item.at, content={"tool": item.tool_call_id}))
        else:
            messages += _spoken(random, item, turn)
            turn += 1
    if call.answered_at is not None and random.random() < _HANG_SHARE:
        talk = call.ended_at - call.answered_at
        messages += [
            TimedMessage(type="hang", at=call.answered_at + round(talk * random.uniform(0.3, 0.9)))
            for _ in range(random.choice((1, 1, 2)))
        ]
    reported_at = call.ended_at + random.randrange(2_600, 4_100)
    messages.append(TimedMessage(type="end-of-call-report", at=reported_at))
    return tuple(sorted(messages, key=lambda message: message.at))


def _statuses(call: ScriptedCall) -> list[TimedMessage]:
    def told(status: str, at: int, **more: JSON) -> TimedMessage:
        return TimedMessage(type="status-update", at=at, content={"status": status, **more})

    messages: list[TimedMessage] = []
    if call.kind == "outboundPhoneCall":
        messages += [told("queued", 0), told("ringing", 700)]
    elif call.kind == "inboundPhoneCall":
        messages.append(told("ringing", 0))
    if call.answered_at is not None:
        messages.append(told("in-progress", call.answered_at))
    if call.transferred_to is not None:
        forwarded_at = max(item.at for item in call.conversation) + 1
        destination: JSON = {"type": "number", "number": call.transferred_to, "message": TRANSFER}
        messages.append(told("forwarding", forwarded_at, destination=destination))
    messages.append(told("ended", call.ended_at, endedReason=call.ended_reason))
    return messages


def _spoken(random: Random, said: Said, turn: int) -> list[TimedMessage]:
    def heard(transcript_type: str, text: str, at: int) -> TimedMessage:
        content: dict[str, JSON] = {"role": said.role, "transcriptType": transcript_type, "transcript": text}
        return TimedMessage(type="transcript", at=at, content=content)

    def speech(status: str, at: int) -> TimedMessage:
        return TimedMessage(type="speech-update", at=at, content={"status": status, "role": said.role, "turn": turn})

    messages = [speech("started", said.at)]
    if said.role == "user":
        messages.append(heard("partial", said.text[: len(said.text) // 2], (said.at + said.until) // 2))
        if random.random() < _INTERRUPTED_SHARE:
            messages.append(TimedMessage(type="user-interrupted", at=said.at, content={"turnId": f"turn-{turn}"}))
    messages.append(heard("final", said.text, said.until))
    messages.append(speech("stopped", said.until))
    messages.append(TimedMessage(type="conversation-update", at=said.until + 15))
    return messages
