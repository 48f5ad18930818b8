from hypothesis import example, given
from hypothesis import strategies as st

from schema.errors.storage import InvalidKey
from schema.object_keys import checked_key


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
