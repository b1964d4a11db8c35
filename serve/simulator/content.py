"""Neutral words of simulated calls: dialogues, prompts, assistants. Lengths follow captured ones (9 to 17 KB)."""

from dataclasses import dataclass
from random import Random
from typing import Literal
from uuid import UUID

from actors.domain.json_types import JSON

Kind = Literal["inboundPhoneCall", "outboundPhoneCall", "webCall"]

TOPICS: dict[str, tuple[tuple[str, str], ...]] = {
    "Appointments": (
        ("I would like to move my appointment.", "Of course. Which day would suit you better?"),
        ("Thursday would be good.", "Thursday has openings at ten and at half past two. Which one do you prefer?"),
        ("Half past two, please.", "I have moved you to Thursday at half past two. Is there anything else?"),
        ("Will I get a reminder?", "Yes, a text message the day before, in the morning."),
        ("Can I bring somebody along?", "Certainly. There is a waiting room on the ground floor."),
        ("How long does it usually take?", "Plan about forty minutes, including the forms at the desk."),
        ("Is parking available?", "There is a garage next door, and the first two hours are free with your visit."),
    ),
    "Deliveries": (
        ("Where is my parcel right now?", "Let me look. Could you tell me the last four digits of the order number?"),
        ("Four seven one two.", "Thank you. It left the sorting centre this morning and is out for delivery."),
        ("Can it be left with a neighbour?", "Yes. I have added a note for the driver to ring next door."),
        ("What happens if nobody is in?", "The driver tries once more tomorrow, then it waits five days at the shop."),
        ("Could I change the address?", "Not today any more, but from the second attempt on you can choose a shop."),
        ("One item was damaged last time.", "I am sorry about that. I can open a claim and send you a return label."),
        ("Yes, please send the label.", "It is on its way to the address we have on file."),
    ),
    "Service feedback": (
        ("Yes, I have a minute.", "Great. How was the service on your last visit?"),
        ("It was fine, a bit slow at the counter.", "Thank you. On a scale from zero to ten, would you recommend us?"),
        ("I would say eight.", "Eight, noted. What would have made it a ten?"),
        ("A shorter wait in the morning.", "That is helpful, others have mentioned the mornings too."),
        ("The staff were friendly though.", "I will pass that on, they will be glad to hear it."),
        ("Do you open on Saturdays?", "Yes, from nine to one, and appointments can be booked by phone."),
        ("Good to know.", "Is there anything else you would like to share?"),
    ),
    "Account questions": (
        ("I have a question about my last bill.", "Gladly. Which line of the bill is it about?"),
        (
            "The second line, the one time fee.",
            "That is the activation fee. It is charged once and will not come again.",
        ),
        ("I thought it was waived.", "Let me check. Yes, your offer includes it. I will credit it on the next bill."),
        ("When will I see that?", "On the statement at the end of this month."),
        ("Can I get the bill by email?", "Yes. I have switched you to paperless, starting with the next one."),
        ("Is my address still correct?", "The address on file ends with number twelve. Is that right?"),
        ("Yes, that is right.", "Perfect. Is there anything else I can do?"),
    ),
}
TOPIC_NAMES = tuple(TOPICS)

GREETINGS = {
    "Appointments": "Hello, this is the appointment desk. How can I help?",
    "Deliveries": "Hello, this is the delivery desk. What can I do for you?",
    "Service feedback": "Hello, this is the feedback line. Do you have a minute for two questions?",
    "Account questions": "Hello, this is the accounts desk. How may I help you today?",
}
FAREWELL = "Thank you for your time. Have a good day."
TRANSFER = "I am connecting you with a colleague now. One moment, please."
VOICEMAIL = "Please call back when it suits you. Goodbye."

TOOLS: dict[str, tuple[str, str, str]] = {
    "Appointments": ("find_slot", "day", "Two openings: 10:00 and 14:30."),
    "Deliveries": ("track_parcel", "order_suffix", "Out for delivery since 08:12."),
    "Service feedback": ("record_score", "score", "Recorded."),
    "Account questions": ("look_up_charge", "line", "Activation fee, charged once, waived by offer."),
}

_INSTRUCTIONS = (
    "Answer in one or two short sentences and wait for the caller to finish before you speak.",
    "Repeat numbers digit by digit and ask for confirmation before you act on them.",
    "If the caller asks for a person, confirm once and hand the call over without further questions.",
    "Never promise a refund; say that a colleague will look at it and call back within one working day.",
    "When a tool takes longer than a few seconds, say that you are still looking and stay on the line.",
    "Use the caller's name at the start and at the end of the conversation, not in every sentence.",
    "If the line is noisy, ask for the last sentence again instead of guessing what was said.",
    "Do not read out internal identifiers, links or the names of tools.",
    "Dates are spoken with weekday and day of the month, times with hour and minute.",
    "When the caller is silent for a while, ask once whether they are still there.",
    "Summarize what was agreed before you say goodbye, including what happens next and when.",
    "Keep a calm and friendly tone, also when the caller is in a hurry or upset.",
    "If a question is outside your subject, say so and offer the number of the main desk.",
    "Ask one question at a time and do not combine a question with a long explanation.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """A simulated assistant: its identity and its whole configuration as it rides along in every message."""

    assistant_id: str
    name: str
    topic: str
    prompt: str
    config: dict[str, JSON]


def prose(random: Random, length: int) -> str:
    """Instructions of about `length` characters, as long prompts are made of."""
    lines: list[str] = []
    size = 0
    while size < length:
        line = f"{len(lines) + 1}. {random.choice(_INSTRUCTIONS)}"
        lines.append(line)
        size += len(line) + 1
    return "\n".join(lines)[:length]


def text_id(random: Random) -> str:
    """A random UUID (version 4) as text."""
    return str(UUID(int=random.getrandbits(128), version=4))


def assistant(random: Random, topic: str, *, account_id: str, web: bool, created_at: str) -> Assistant:
    """An assistant about `topic`. A web assistant carries no analysis plan, so it is half the size."""
    assistant_id = text_id(random)
    prompt = f"[Identity]\nYou answer calls about {topic.lower()}.\n[Instructions]\n{prose(random, 4_900)}"
    tool, argument, _ = TOOLS[topic]
    config: dict[str, JSON] = {
        "id": assistant_id,
        "orgId": account_id,
        "name": f"{topic} {'web' if web else 'phone'}",
        "voice": {"voiceId": "Elliot", "provider": "vapi"},
        "createdAt": created_at,
        "updatedAt": created_at,
        "model": {
            "model": "gpt-4o",
            "provider": "openai",
            "toolIds": [text_id(random)],
            "messages": [{"role": "system", "content": prompt}],
            "tools": [_tool(random, tool, argument, account_id, created_at)],
        },
        "firstMessage": GREETINGS[topic],
        "voicemailMessage": VOICEMAIL,
        "endCallFunctionEnabled": True,
        "endCallMessage": FAREWELL,
        "transcriber": {"model": "nova-3-general", "language": "en", "numerals": True, "provider": "deepgram"},
        "silenceTimeoutSeconds": 24,
        "maxDurationSeconds": 600,
        "clientMessages": ["transcript", "speech-update", "status-update"],
        "serverMessages": [
            "conversation-update",
            "end-of-call-report",
            "hang",
            "speech-update",
            "status-update",
            "tool-calls",
            "transcript",
            "user-interrupted",
        ],
        "backgroundSound": "office",
        "backgroundDenoisingEnabled": True,
        "messagePlan": {"idleMessages": ["Are you still there?"]},
        "startSpeakingPlan": {"waitSeconds": 0.3, "smartEndpointingPlan": {"provider": "vapi"}},
        "server": {"url": "https://hooks.example.com/vapi", "secret": "simulated-secret", "timeoutSeconds": 20},
    }
    if not web:
        config["analysisPlan"] = _analysis_plan(random)
        config["voicemailDetection"] = {
            "provider": "vapi",
            "backoffPlan": {"maxRetries": 6, "startAtSeconds": 5, "frequencySeconds": 5},
            "beepMaxAwaitSeconds": 0,
        }
    return Assistant(assistant_id=assistant_id, name=str(config["name"]), topic=topic, prompt=prompt, config=config)


def _tool(random: Random, name: str, argument: str, account_id: str, created_at: str) -> dict[str, JSON]:
    return {
        "id": text_id(random),
        "orgId": account_id,
        "createdAt": created_at,
        "updatedAt": created_at,
        "type": "function",
        "async": False,
        "function": {
            "name": name,
            "description": f"Call this once {argument.replace('_', ' ')} is known and confirmed by the caller.",
            "parameters": {"type": "object", "required": [argument], "properties": {argument: {"type": "string"}}},
        },
        "messages": [
            {"type": "request-start", "content": "One moment, I am looking that up.", "blocking": False},
            {"type": "request-response-delayed", "content": "Still looking.", "timingMilliseconds": 5000},
        ],
        "server": {"url": "https://hooks.example.com/tools"},
    }


def _analysis_plan(random: Random) -> dict[str, JSON]:
    transcript = (
        "Here is the transcript:\n\n{{transcript}}\n\n. Here is the ended reason of the call:\n\n{{endedReason}}"
    )
    return {
        "summaryPlan": {
            "messages": [
                {"role": "system", "content": prose(random, 2_500)},
                {"role": "user", "content": transcript},
            ]
        },
        "structuredDataPlan": {
            "enabled": True,
            "schema": {
                "type": "object",
                "required": ["outcome", "follow_up"],
                "properties": {
                    "outcome": {"type": "string", "description": "what was agreed, in one sentence"},
                    "follow_up": {"type": "string", "description": "what somebody has to do now (may be empty)"},
                },
            },
            "messages": [
                {"role": "system", "content": prose(random, 2_500)},
                {"role": "user", "content": transcript},
            ],
        },
        "successEvaluationPlan": {
            "rubric": "DescriptiveScale",
            "messages": [
                {"role": "system", "content": prose(random, 4_000)},
                {"role": "user", "content": transcript},
            ],
        },
    }
