import pytest

from actors.domain.json_types import JSON
from workflows.action_items import MAX_ITEMS, ActionItems, action_items


def said(*sentences: str, role: str = "assistant") -> list[dict[str, JSON]]:
    return [{"role": role, "text": sentence} for sentence in sentences]


@pytest.mark.parametrize(
    "sentence",
    [
        "I'll send you the form by email.",
        "I\N{RIGHT SINGLE QUOTATION MARK}ll send you the form.",
        "We will call you back tomorrow.",
        "I'm going to have a colleague contact you.",
        "I'll have someone get back to you.",
        "Please call me back after five.",
        "Could you please reschedule my appointment?",
        "I need you to cancel the order.",
        "Don't forget to bring your papers.",
    ],
)
def test_commitments_and_requests_are_items(sentence: str) -> None:
    assert action_items({}, said(f"Alright. {sentence} Anything else?")) == ActionItems(
        source="rules", texts=(sentence,)
    )


@pytest.mark.parametrize(
    "sentence",
    [
        "I'll be happy to help you with that.",
        "I will check that right now.",
        "Please hold on a moment.",
        "Could you please let me know your name?",
        "It was fine.",
        "I called you yesterday.",
        "The bill will be fixed.",
    ],
)
def test_courtesies_and_facts_are_none(sentence: str) -> None:
    assert action_items({}, said(sentence)).texts == ()


def test_only_people_and_the_assistant_are_heard() -> None:
    assert action_items({}, said("Please call me back.", role="tool_result")).texts == ()


def test_what_was_said_twice_is_one_item_and_the_number_is_bounded() -> None:
    assert action_items({}, said("Please call me.", "please  call me.")).texts == ("Please call me.",)
    assert len(action_items({}, said(*(f"I'll send form {n}." for n in range(50)))).texts) == MAX_ITEMS


@pytest.mark.parametrize("name", ["action_items", "Action items", "nextSteps", "tasks", "follow-ups"])
def test_the_providers_lists_come_first(name: str) -> None:
    analysis: dict[str, JSON] = {"structuredData": {name: ["Send the form", {"title": "Call back", "due": "Monday"}]}}
    found = action_items(analysis, said("I'll book a table."))
    assert found == ActionItems(source="provider", texts=("Send the form", "Call back"))


def test_an_empty_list_of_the_provider_counts() -> None:
    found = action_items({"structuredData": {"action_items": []}}, said("I'll book a table."))
    assert found == ActionItems(source="provider", texts=())


def test_structured_outputs_are_read() -> None:
    analysis: dict[str, JSON] = {"structuredOutputs": {"1": {"name": "Next steps", "result": ["Send the form"]}}}
    assert action_items(analysis, []).texts == ("Send the form",)


def test_other_shapes_are_no_lists() -> None:
    assert action_items({"structuredData": {"tasks": "none"}}, []) == ActionItems(source="rules", texts=())
