import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schema.errors.storage import InvalidKey
from schema.object_keys import checked_key, refusal
from tests.support.odd_keys import ODD_NAMES


@given(st.text(max_size=1100))
@example("audio/user/conversation/message_1700000000000.wav")
def test_a_key_is_taken_as_it_is_or_refused(key):
    try:
        assert checked_key(key) == key
    except InvalidKey:
        return
    assert 1 <= len(key.encode()) <= 1024
    assert ".." not in key.split("/")
    assert all(ord(character) >= 32 for character in key)


@given(st.characters())
def test_only_control_characters_and_surrogates_are_refused(character):
    is_refused = refusal(f"audio/a{character}b", "audio/") is not None
    assert is_refused == (unicodedata.category(character) in {"Cc", "Cs"})


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_every_name_that_a_device_writes_is_a_key(name):
    assert refusal(f"audio/{name}", "audio/") is None


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("audio/a\x7f", "control characters"),
        ("audio/a\x85", "control characters"),
        ("audio/a\ud800", "lone surrogates"),
        ("audio/../a", "segments"),
        ("audio/./a", "segments"),
        ("audio/" + "\u3000" * 340, "1 to 1024 bytes"),
        ("/audio/a", "must begin with audio/"),
        ("Audio/a", "must begin with audio/"),
        ("audio/", "followed by a name"),
    ],
)
def test_a_dangerous_key_is_refused_with_its_reason(key, reason):
    assert reason in (refusal(key, "audio/") or "")
