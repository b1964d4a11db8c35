"""Tags: one form of each word, and the last telling of them whatever the order in which it is taken in."""

from itertools import permutations

import pytest

from actors.domain.call import Call, CallStatus
from actors.domain.commands import CALL_TAGGED, InboxRow
from actors.domain.json_types import JSON
from actors.domain.organization import recall
from actors.domain.tags import LONGEST_TAG, normal_tag
from actors.domain.views import call_view
from tests.fakes.events import row

NOW = 1_790_000_000_000


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        ("VIP", "vip"),
        ("  call  back\tTODAY ", "call-back-today"),
        ("Größe", "grösse"),
        ("\uff36\uff29\uff30", "vip"),
        ("priority:1", "priority:1"),
        ("v2.1_b-c", "v2.1_b-c"),
        ("請求", "請求"),
        ("a" * LONGEST_TAG, "a" * LONGEST_TAG),
        ("a" * (LONGEST_TAG + 1), None),
        ("", None),
        ("   ", None),
        ("-vip", None),
        ("vip.", None),
        ("a/b", None),
        ("a,b", None),
        ("<b>", None),
        ("a\0b", None),
        ("a\u202eb", None),
    ],
)
def test_a_tag_has_one_form(written: str, tag: str | None) -> None:
    assert normal_tag(written) == tag
    if tag is not None:
        assert normal_tag(tag) == tag


def tagged(row_id: int, *tags: JSON) -> InboxRow:
    return row(row_id, "c", CALL_TAGGED, at=NOW + row_id, facts={"tags": list(tags)}, provider="internal")


def folded(*rows: InboxRow) -> Call:
    begun = row(1, "c", "status-update", at=NOW, facts={"status": "in-progress"})
    return recall("0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0001", [begun, *rows])["c"]


def test_of_several_tellings_the_last_accepted_stands_in_any_order() -> None:
    rows = [tagged(2, "vip"), tagged(3, "vip", "billing"), tagged(4, "billing")]
    for taken in permutations(rows):
        assert folded(*taken).tags == ("billing",)
    assert folded(*rows, tagged(5)).tags == ()
    assert call_view(folded(*rows[:2]))["tags"] == ["billing", "vip"]


def test_a_tag_is_no_sign_of_the_call() -> None:
    before, after = folded(), folded(tagged(9_000_000, "vip"))
    assert (after.status, after.evidence_at, after.last_event_kind) == (
        CallStatus.IN_PROGRESS,
        before.evidence_at,
        before.last_event_kind,
    )
    assert recall("0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0001", [tagged(2, "vip")]) == {}


def test_what_is_no_list_of_words_is_no_tag() -> None:
    assert folded(row(2, "c", CALL_TAGGED, at=NOW, facts={"tags": "vip"}, provider="internal")).tags == ()
    assert folded(tagged(2, 1, None, "vip")).tags == ("vip",)
