import re

from hypothesis import given
from hypothesis import strategies as st

from storage.api_keys import new_api_key, parse_api_key


def test_a_new_key_has_the_form_and_reads_back() -> None:
    key = new_api_key()
    assert re.fullmatch(r"sup_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", key.text)
    assert parse_api_key(key.text) == key


def test_keys_differ_and_do_not_show_in_logs() -> None:
    one, other = new_api_key(), new_api_key()
    assert (one.key_id, one.secret_hash) != (other.key_id, other.secret_hash)
    assert one.text not in repr(one)
    assert len(one.secret_hash) == 32


@given(at=st.integers(4, 62), letter=st.sampled_from("0Aa_~"))
def test_one_changed_letter_is_noticed_without_asking_anyone(at: int, letter: str) -> None:
    text = new_api_key().text
    changed = text[:at] + letter + text[at + 1 :]
    assert (parse_api_key(changed) is None) == (changed != text)


@given(st.text())
def test_any_other_text_is_no_key(text: str) -> None:
    assert parse_api_key(text) is None
    assert parse_api_key(f"sup_{text}") is None
