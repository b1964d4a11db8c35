"""What somebody is to do after a call: the provider's own findings first, else what was plainly said."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from actors.domain.json_types import JSON
from workflows.vendors.vapi_values import first_text, mapping

MAX_ITEMS = 20
MAX_LENGTH = 500

_LISTS = frozenset({"actionitems", "actions", "tasks", "todos", "todo", "nextsteps", "followups", "followupactions"})
_TEXT_KEYS = ("text", "title", "description", "task", "action", "item", "name")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")

# Verbs of work that outlives the call: "I'll be glad to help" and "I'll check that now" name none.
_WORK = (
    r"(?:send|call|phone|e-?mail|text|message|schedule|re-?schedule|book|cancel|update|forward|arrange|contact|"
    r"get back|reach out|follow up|notify|remind|pass|refund|ship|order|fix|look into|set up|prepare|review|"
    r"submit|escalate|open a ticket|let (?:you|him|her|them|us|me) know|make sure|bring|drop off|pick up)"
)
_SOMEONE = r"(?:someone|somebody|(?:the|a|our) \w+)"
_BEFORE_WORK = rf"(?:(?:also|then|just|definitely|certainly|personally|go ahead and|have {_SOMEONE}|try to)\s+)*"
_PROMISE = re.compile(
    rf"\b(?:(?:I|we)'ll|(?:I|we) will|(?:I'm|I am|we're|we are) going to)\s+{_BEFORE_WORK}{_WORK}\b", re.IGNORECASE
)
_REQUEST = re.compile(
    r"\b(?:please|(?:can|could|would|will) (?:you|someone|somebody)(?: please)?|"
    r"I(?:'d| would)? (?:need|want|like) (?:you|someone) to|don't forget to|remember to)\s+"
    rf"{_BEFORE_WORK}{_WORK}\b",
    re.IGNORECASE,
)
# Said to keep the conversation going, not to have something done.
_PASSING = re.compile(r"\blet me know\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionItems:
    """What is to be done, in the order it came up, and who found it."""

    source: Literal["provider", "rules"]
    texts: Sequence[str]


def action_items(analysis: Mapping[str, JSON], turns: Iterable[Mapping[str, JSON]]) -> ActionItems:
    """Items of a call. A list the provider gave counts even when empty: it looked and found none."""
    lists = _provider_lists(analysis)
    if lists:
        return ActionItems(source="provider", texts=kept_texts(_text_of(item) for each in lists for item in each))
    said = (turn.get("text") for turn in turns if turn.get("role") in {"assistant", "user"})
    sentences = (sentence for text in said if isinstance(text, str) for sentence in _SENTENCE.split(text))
    return ActionItems(source="rules", texts=kept_texts(sentence for sentence in sentences if _is_item(sentence)))


def _is_item(sentence: str) -> bool:
    plain = sentence.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    asked = _REQUEST.search(plain) is not None and _PASSING.search(plain) is None
    return asked or _PROMISE.search(plain) is not None


def _provider_lists(analysis: Mapping[str, JSON]) -> list[list[JSON]]:
    """Lists under a name like "action items" in structured data, or in results of structured outputs."""
    holders = [mapping(analysis.get("structuredData"))]
    for output in map(mapping, mapping(analysis.get("structuredOutputs")).values()):
        result = output.get("result")
        holders.append({str(output.get("name")): result} if isinstance(result, list) else mapping(result))
    return [
        value
        for holder in holders
        for name, value in holder.items()
        if isinstance(value, list) and re.sub(r"[^a-z]", "", name.casefold()) in _LISTS
    ]


def _text_of(item: JSON) -> str:
    if isinstance(item, str):
        return item
    return first_text(*(mapping(item).get(key) for key in _TEXT_KEYS), limit=MAX_LENGTH) or ""


def kept_texts(texts: Iterable[str]) -> Sequence[str]:
    """Each once, of bounded length and number, in the order given."""
    kept: dict[str, str] = {}
    for text in texts:
        trimmed = " ".join(text.split())[:MAX_LENGTH]
        if trimmed:
            kept.setdefault(trimmed.casefold(), trimmed)
    return tuple(kept.values())[:MAX_ITEMS]
